"""A real cluster, through kubectl and helm, and shoppers who ask it without pause."""

import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RELEASE = "coterie"


@dataclass
class Cluster:
    """A namespace, through kubectl and helm."""

    namespace: str
    image: str
    """Of serving, with its tag; that of training lies beside it as coterie-train."""

    def kubectl(self, *arguments: str, check: bool = True) -> str:
        return run(["kubectl", "--namespace", self.namespace, *arguments], check)

    def helm(self, *arguments: str) -> str:
        return run([helm_binary(), *arguments, "--namespace", self.namespace])

    def get(self, kind: str, name: str) -> Any:
        return json.loads(self.kubectl("get", kind, name, "--output=json"))

    def pods(self, component: str) -> list[str]:
        found = self.kubectl("get", "pods", "-o", "name", "-l", labels(component))
        return found.split()

    def install(self, *options: str) -> None:
        repository, _, tag = self.image.rpartition(":")
        registry, _, _ = repository.rpartition("/")
        values = os.environ.get("COTERIE_VALUES", str(ROOT / "tests/cluster_live/values.yaml"))
        self.helm(
            "upgrade", RELEASE, str(ROOT / "helm/coterie"), "--install", "--create-namespace",
            "--values", values, "--set", f"images.tag={tag}",
            "--set", f"images.registry={registry}",
            "--force-conflicts", "--timeout=15m", *options,
        )  # fmt: skip

    def served(self) -> Any:
        """What replicas are told to serve."""
        import yaml

        service = self.get("rayservice", RELEASE)
        (app,) = yaml.safe_load(service["spec"]["serveConfigV2"])["applications"]
        return next(d["user_config"] for d in app["deployments"] if d["name"] == "Api")

    def ray_cluster(self) -> str:
        """Name of the one that answers."""
        status = self.get("rayservice", RELEASE).get("status", {})
        return str(status.get("activeServiceStatus", {}).get("rayClusterName", ""))

    @contextmanager
    def forwarded(self, target: str, port: int) -> Iterator[str]:
        """The address of a Service on this machine, for as long as the context lasts.

        It ends with the pod that it found, and stops once nobody reads what it says: so for one or
        two requests at a time.
        """
        command = ["kubectl", "--namespace", self.namespace, "port-forward", target, f":{port}"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert ":" in line, f"kubectl does not forward {target}: {line!r}"
            yield f"http://127.0.0.1:{line.split(':')[1].split()[0]}"
        finally:
            process.terminate()
            process.wait()


@dataclass
class Load:
    """Requests from inside the cluster, without pause, as the shop's app would send them."""

    cluster: Cluster
    answered: int = 0
    failed: list[str] = field(default_factory=list)


SENDER = """
import sys, time, urllib.request
ok = sent = 0; end = time.time() + float(sys.argv[2])
while time.time() < end:
    sent += 1
    user = f"shopper-{sent % 1000:04d}"
    try:
        urllib.request.urlopen(sys.argv[1].replace("USER", user), timeout=5).read(); ok += 1
    except Exception as error:
        print("failed", repr(error), flush=True)
    time.sleep(0.02)
print("answered", ok, flush=True)
"""


@contextmanager
def load(cluster: Cluster, seconds: float) -> Iterator[Load]:
    """Send requests from a pod through the Service; its figures are there once the context ends."""
    name, result = f"load-{int(time.time())}", Load(cluster)
    url = f"http://{RELEASE}-api:8000/v1/users/USER/recommendations?k=5"
    cluster.kubectl(
        "run", name, f"--image={cluster.image}", "--restart=Never", "--command", "--",
        "python", "-c", SENDER, url, str(seconds),
    )  # fmt: skip
    wait(lambda: cluster.get("pod", name)["status"]["phase"] == "Running", 120)
    try:
        yield result
        wait(lambda: cluster.get("pod", name)["status"]["phase"] == "Succeeded", seconds + 120)
        lines = cluster.kubectl("logs", name).splitlines()
        result.failed = [line for line in lines if line.startswith("failed")]
        result.answered = int(lines[-1].split()[1])
    finally:
        cluster.kubectl("delete", "pod", name, "--wait=false", check=False)


def labels(component: str) -> str:
    return f"app.kubernetes.io/instance={RELEASE},app.kubernetes.io/component={component}"


def run(command: list[str], check: bool = True) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 or not check, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout


def helm_binary() -> str:
    return run([sys.executable, str(ROOT / "tests/helm/tools.py")]).strip()


def wait(true: Callable[[], bool], seconds: float, every: float = 2.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not within {seconds:g} s"
        threading.Event().wait(every)


def ask(address: str, path: str, token: str = "", body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    headers |= {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(f"{address}{path}", data, headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)
