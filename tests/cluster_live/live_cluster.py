"""A real cluster, through kubectl and helm."""

import base64
import json
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import yaml
from live_settings import ROOT

RELEASE = "coterie"


class Clock:
    """Time as the cluster's pods know it."""

    def now(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()

    def pause(self, seconds: float) -> None:
        """Let time pass."""
        threading.Event().wait(seconds)


class CommandError(AssertionError):
    """A command ended badly; the text is what was called and what it said."""


@dataclass
class Cluster:
    """A namespace, through kubectl and helm."""

    namespace: str
    environment: dict[str, str] = field(default_factory=dict)
    """Variables of both programs besides our own."""
    clock: Clock = field(default_factory=Clock)
    traffic: Callable[["Cluster", str], AbstractContextManager[Any]] | None = None
    """Sends requests to an install where no pod can: in place of ``live_load``'s pods."""
    program: str = "kubectl"
    """Path of kubectl."""

    @property
    def is_fake(self) -> bool:
        """Whether its hours are our seconds: what a program needs to start says nothing there."""
        return self.traffic is not None

    def now(self) -> float:
        """Seconds since some moment."""
        return self.clock.now()

    def pause(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.pause(seconds)

    def wait(
        self,
        true: Callable[[], Any],
        seconds: float,
        what: str,
        every: float = 2.0,
        look: Callable[[], Any] | None = None,
    ) -> float:
        """Wait until something holds, and return after how many seconds it did.

        Args:
            true: Asked again and again; a command that fails is taken for no.
            seconds: After so long it is given up.
            what: Said when it is given up.
            every: Seconds between two questions.
            look: Called when it is given up; what it returns is said as well.
        """
        began = self.now()
        while True:
            said = ""
            try:
                if true():
                    return self.now() - began
            except (CommandError, OSError, ValueError) as error:
                said = f" ({error})"
            if self.now() - began > seconds:
                seen = f"; seen: {look()}" if look else ""
                raise AssertionError(f"{what}: not within {seconds:g} s{said}{seen}")
            self.pause(every)

    def stays(
        self, true: Callable[[], Any], seconds: float, what: str, every: float = 2.0
    ) -> float:
        """Watch that something holds for as long, and return for how long it was watched."""
        began = self.now()
        while self.now() - began < seconds:
            assert true(), f"{what}: no longer after {self.now() - began:.0f} s"
            self.pause(every)
        return seconds

    def kubectl(self, *arguments: str, check: bool = True, stdin: str | None = None) -> str:
        """Call kubectl in the namespace, and return what it printed."""
        command = [self.program, "--namespace", self.namespace, *arguments]
        return self._run(command, check, stdin)

    def helm(self, *arguments: str, check: bool = True) -> str:
        """Call helm in the namespace, and return what it printed."""
        return self._run([helm_binary(), *arguments, "--namespace", self.namespace], check)

    def apply(self, *objects: Any) -> None:
        """Create objects, or change them."""
        text = "\n---\n".join(json.dumps(one) for one in objects)
        self.kubectl("apply", "--filename=-", stdin=text)

    def get(self, kind: str, name: str) -> Any:
        """Read an object."""
        return json.loads(self.kubectl("get", kind, name, "--output=json"))

    def find(self, kind: str, name: str) -> Any:
        """Read an object; None where there is none."""
        text = self.kubectl("get", kind, name, "--output=json", "--ignore-not-found")
        return json.loads(text) if text.strip() else None

    def objects(self, kind: str, selector: str = "") -> list[Any]:
        """Read the objects of a kind."""
        options = ["--selector", selector] if selector else []
        return list(json.loads(self.kubectl("get", kind, "--output=json", *options))["items"])

    def pods(self, component: str, instance: str = RELEASE) -> list[Any]:
        """Read the pods of a part of the install, those that end left out."""
        found = self.objects("pods", labels(component, instance))
        return [
            pod
            for pod in found
            if "deletionTimestamp" not in pod["metadata"]
            and pod["status"].get("phase") not in ("Failed", "Succeeded")
        ]

    def ready(self, component: str, instance: str = RELEASE) -> list[str]:
        """Name the pods of a part that are Ready."""
        return [p["metadata"]["name"] for p in self.pods(component, instance) if is_ready(p)]

    def evict(self, pod: str) -> bool:
        """Ask for a pod's eviction, as a drain does; False where a budget forbids it now.

        A pod that is gone needs none.
        """
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod, "namespace": self.namespace},
        }
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod}/eviction"
        try:
            self.kubectl("create", "--raw", path, "--filename=-", stdin=json.dumps(body))
        except CommandError as error:
            if "disruption budget" in str(error) or "TooManyRequests" in str(error):
                return False
            if "NotFound" not in str(error):
                raise
        return True

    def rayservice(self, instance: str = RELEASE) -> Any:
        """Read the RayService; {} where there is none."""
        return self.find("rayservice", instance) or {}

    def served(self, instance: str = RELEASE) -> Any:
        """What replicas are told to serve; {} where nothing is."""
        text = self.rayservice(instance).get("spec", {}).get("serveConfigV2") or ""
        for app in (yaml.safe_load(text) or {}).get("applications", ()):
            for deployment in app["deployments"]:
                if deployment["name"] == "Api":
                    return deployment.get("user_config") or {}
        return {}

    def stable(self, instance: str = RELEASE) -> str:
        """Digest of the release that most shoppers get; empty where there is none."""
        return str((self.served(instance).get("stable") or {}).get("digest", ""))

    def canary(self, instance: str = RELEASE) -> str:
        """Digest of the release that is being rolled out; empty where there is none."""
        return str((self.served(instance).get("canary") or {}).get("digest", ""))

    def ray_cluster(self, instance: str = RELEASE) -> str:
        """Name of the Ray cluster that answers."""
        status = self.rayservice(instance).get("status", {})
        return str(status.get("activeServiceStatus", {}).get("rayClusterName", ""))

    def ray_clusters(self, instance: str = RELEASE) -> set[str]:
        """Names of all Ray clusters of the install."""
        made = f"ray.io/originated-from-cr-name={instance}"
        return {one["metadata"]["name"] for one in self.objects("rayclusters", made)}

    def serves(self, instance: str = RELEASE) -> bool:
        """Whether the RayService says that it is Ready."""
        conditions = self.rayservice(instance).get("status", {}).get("conditions", ())
        return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)

    def api_service(self, instance: str = RELEASE) -> str:
        """Name of the Service that answers shoppers."""
        own = f"{instance}-api"
        return own if self.find("service", own) else f"{instance}-serve-svc"

    def token(self, instance: str = RELEASE) -> str:
        """What the API asks of those who command rollouts."""
        secret = self.get("secret", f"{instance}-app")
        return base64.b64decode(secret["data"]["COTERIE_ADMIN_TOKEN"]).decode()

    def key(self, instance: str = RELEASE) -> str:
        """What the API asks of everybody else; nothing where the chart knew no keys yet."""
        secret = self.find("secret", f"{instance}-keys")
        return base64.b64decode(secret["data"]["shop-key"]).decode() if secret else ""

    def ask(self, path: str, body: Any = None, instance: str = RELEASE) -> Any:
        """Ask the API once, as who may, through a port of this machine."""
        target = f"service/{self.api_service(instance)}"
        with self.forwarded(target, 8000) as address:
            admin = path.startswith("/v1/admin")
            sent = self.token(instance) if admin else self.key(instance)
            return ask(address, path, sent, body)

    def command(self, path: str, instance: str = RELEASE, **body: Any) -> Any:
        """Command the rollout, through any replica that takes it."""
        said = {"who": "cluster-tests", "reason": "a test", **body}
        return self.ask(f"/v1/admin/rollouts{path}", said, instance)

    def history(self, instance: str = RELEASE) -> list[Any]:
        """Transitions of rollouts, newest first."""
        return list(self.ask("/v1/admin/rollouts/history?limit=50", None, instance)["transitions"])

    @contextmanager
    def forwarded(self, target: str, port: int) -> Iterator[str]:
        """The address of a Service on this machine, for as long as the context lasts.

        It ends with the pod that it found, and stops once nobody reads what it says: so for one or
        two requests at a time.
        """
        command = [self.program, "--namespace", self.namespace, "port-forward"]
        command += ["--address=127.0.0.1", target, f":{port}"]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env={**os.environ, **self.environment}
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert ":" in line, f"kubectl does not forward {target}: {line!r}"
            yield f"http://127.0.0.1:{line.split(':')[1].split()[0]}"
        finally:
            process.terminate()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()

    def _run(self, command: list[str], check: bool, stdin: str | None = None) -> str:
        done = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **self.environment},
        )
        if check and done.returncode:
            raise CommandError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
        return done.stdout if done.returncode == 0 else done.stdout + done.stderr


def labels(component: str, instance: str = RELEASE) -> str:
    """Select the pods of a part."""
    return f"app.kubernetes.io/instance={instance},app.kubernetes.io/component={component}"


def is_ready(pod: Any) -> bool:
    """Whether Kubernetes sends a pod requests."""
    conditions = pod["status"].get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


@cache
def helm_binary() -> str:
    """Path of helm."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests/helm/tools.py")],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CommandError(done.stderr)
    return done.stdout.strip()


def ask(address: str, path: str, token: str = "", body: Any = None) -> Any:
    """Send a request, and return the JSON of its answer."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    headers |= {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(f"{address}{path}", data, headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        said = error.read().decode()[:500]
        raise CommandError(f"{path} was answered {error.code}: {said}") from error
