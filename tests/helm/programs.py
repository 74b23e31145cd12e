"""Containers of the chart whose program really runs here, with the arguments of the chart."""

import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from chart import ROOT
from kube.cluster import Cluster
from kube.containers import Process
from kube.rbac import ACCOUNT
from kube.server import kubeconfig
from kubernetes import client, config
from ports import free_port
from waiting import PATIENCE_S

from coterie.errors import CoterieError

Pod = dict[str, Any]
TOKEN = "automountServiceAccountToken"


class Programs:
    """Ends what it has started when the context ends."""

    def __init__(self, cluster: Cluster, patch: pytest.MonkeyPatch):
        self.cluster, self.patch = cluster, patch
        self.started: list[subprocess.Popen[bytes]] = []
        self.controllers: list[tuple[threading.Thread, threading.Event]] = []
        self.run: dict[str, Callable[[list[str], Path], Process]] = {}
        """By container, what becomes of its arguments and its pod's credentials."""
        cluster.world.nodes.process = self._process
        # Read when the client is imported.
        place = "kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION"
        patch.setattr(place, str(cluster.kubeconfig))

    def __enter__(self) -> "Programs":
        return self

    def __exit__(self, *_: object) -> None:
        for thread, stop in self.controllers:
            stop.set()
            thread.join()
        for process in self.started:
            process.kill()
            process.wait()

    def _process(self, pod: Pod, name: str) -> Process | None:
        if name not in self.run:
            return None
        containers = pod["spec"]["containers"]
        arguments = next(c["args"] for c in containers if c["name"] == name)
        return self.run[name](arguments, self._credentials(pod))

    def _credentials(self, pod: Pod) -> Path:
        """What a pod with its token can do; one without can do nothing."""
        account = pod["spec"]["serviceAccountName"] if pod["spec"].get(TOKEN, True) else "nobody"
        namespace = pod["metadata"]["namespace"]
        token = f"{ACCOUNT}{namespace}:{account}"
        folder = self.cluster.kubeconfig.parent
        return kubeconfig(folder, self.cluster.address, namespace, token)

    def command(self, arguments: list[str], credentials: Path) -> Process:
        """A process of its own; ``python`` is ours."""
        words = [sys.executable if word == "python" else word for word in arguments]
        env = {**os.environ, "KUBECONFIG": str(credentials), "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(words, env=env)
        self.started.append(process)
        self.cluster.world.running.append(process)
        return Process(exits=process.poll, stop=process.kill)

    def _prepare(self, program: Any) -> None:
        arms = pytest.importorskip("coterie.cluster.arms")
        self.patch.setattr(program, "Cluster", _connecting(program.Cluster))
        # Hours pass in the cluster's seconds, so that its words need not last for long.
        self.patch.setattr(program, "RayServiceArms", partial(arms.RayServiceArms, settled_s=0.2))

    def controller(self, arguments: list[str], credentials: Path) -> Process:
        """A thread: its imports would take longer than all else."""
        program = pytest.importorskip("coterie.cluster.__main__")
        if not self.controllers:
            self._prepare(program)
        port, stop = free_port(), threading.Event()
        given = program.options([*arguments[3:], f"--port={port}", "--interval=0.05"])
        codes: list[int] = []

        def run() -> None:
            _mine.credentials = str(credentials)
            try:
                program.control(given, stop)
                codes.append(0)
            except CoterieError:
                codes.append(1)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self.controllers.append((thread, stop))
        return Process(
            ready=partial(_answers, f"http://127.0.0.1:{port}/readyz"),
            exits=lambda: next(iter(codes), None),
            stop=stop.set,
        )


def scripts(cluster: Cluster, folder: Path) -> Path:
    """The chart's scripts, as pods find them in a volume."""
    for name, text in cluster.api.objects["configmaps", "coterie-scripts"]["data"].items():
        (folder / name).write_text(text)
    return folder


_mine = threading.local()
"""Credentials of a thread: each controller has its pod's."""


def _connecting(kind: Any) -> Any:
    """The client of the API, with a thread's own credentials."""

    class Connecting(kind):  # type: ignore[misc]
        @classmethod
        def connect(cls, namespace: str = "") -> Any:
            settings = client.Configuration()
            config.load_kube_config(_mine.credentials, client_configuration=settings)
            return kind(namespace, settings)

    return Connecting


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=PATIENCE_S) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
