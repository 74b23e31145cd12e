"""An install of the chart without its cluster: real Redis, an S3 server, and what pods would be
told, taken from what helm renders."""

import base64
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml
from s3_process import KEYS

TESTS = Path(__file__).parents[1]
sys.path += [str(TESTS / "helm"), str(TESTS / "serving")]
from chart import Chart, one, pods, variables  # noqa: E402
from redis_server import PASSWORD, RedisServer  # noqa: E402
from tools import NoHelmError, helm  # noqa: E402

__all__ = ["Chart", "Install", "NoHelmError", "RedisServer", "bare", "helm"]
NAMES = {"redis.existingSecret": "redis", "s3.existingSecret": "minio-user"}
STORES = {
    "release.store": "s3://coterie/releases",
    "training.source": "s3://coterie/shop",
    "training.workers": "0",
    "redis.enabled": "false",
}
SECRETS = {"redis": {"redis-password": PASSWORD}, "minio-user": KEYS}


@dataclass
class Install:
    """What the chart makes for stores at these addresses."""

    objects: list
    home: Path

    @classmethod
    def of(cls, chart: Chart, home: Path, redis, s3, **more: str) -> "Install":
        values = {
            **STORES,
            **NAMES,
            "redis.address": f"127.0.0.1:{redis.port}",
            # Events of some shoppers go through one sink, of others through the second.
            "serving.sink.count": "2",
            "s3.endpoint": s3.endpoint,
            **{name.replace("__", "."): value for name, value in more.items()},
        }
        options = [part for pair in values.items() for part in ("--set", "=".join(pair))]
        install = cls(chart.objects(None, *options), home)
        for part in ("features", "rules"):
            folder = install.mounted(part)
            folder.mkdir(parents=True, exist_ok=True)
            for name, text in one(install.objects, "ConfigMap", f"coterie-{part}")["data"].items():
                (folder / name).write_text(text)
        install.mounted("keys").mkdir(exist_ok=True)
        (install.mounted("keys") / "keys.json").write_bytes(install.of_keys("keys.json"))
        return install

    def of_keys(self, name: str) -> bytes:
        """What the secret of keys holds, which the chart has made."""
        return base64.b64decode(one(self.objects, "Secret", "coterie-keys")["data"][name])

    def mounted(self, part: str) -> Path:
        """Where pods have a ConfigMap mounted."""
        return self.home / "etc" / part

    def run(self, owner: str) -> subprocess.CompletedProcess:
        """The container of a job, as its pod would run it."""
        (pod,) = (pod for pod in pods(self.objects) if pod.owner == owner)
        (container,) = pod.containers
        scripts = str(TESTS.parent / "helm" / "coterie" / "files")
        places = {
            "/etc/coterie/scripts": scripts,
            "/etc/coterie/features": str(self.mounted("features")),
        }
        arguments = container["args"]
        for place, here in places.items():
            arguments = [argument.replace(place, here) for argument in arguments]
        return subprocess.run(
            [sys.executable, *arguments[1:]],
            env=bare() | self.told(variables(container, self.objects)),
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )

    def told(self, named: dict[str, str]) -> dict[str, str]:
        """Variables with what lies in secrets put in."""
        return {name: self._secret(value) for name, value in named.items()}

    def _secret(self, value: str) -> str:
        if not value.startswith('{"secretKeyRef"'):
            return value
        ref = json.loads(value)["secretKeyRef"]
        return SECRETS[ref["name"]][ref["key"]]

    def pipeline_defaults(self) -> dict:
        """What the upload job compiles pipelines with."""
        (pod,) = (p for p in pods(self.objects) if p.owner == "Job/coterie-pipelines-upload")
        return json.loads(variables(pod.containers[0], self.objects)["PIPELINE_DEFAULTS"])

    def step_environment(self, compiled: Path, step: str) -> dict[str, str]:
        """What Kubernetes would put into the environment of a step of a compiled pipeline."""
        spec, platform = yaml.safe_load_all(compiled.read_text())
        asked = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"][f"exec-{step}"]
        given = spec["root"]["inputDefinitions"]["parameters"]

        def named(one: dict, kind: str) -> str:
            parameter = one[f"{kind}NameParameter"]["componentInputParameter"].split("--")[-1]
            return given[parameter]["defaultValue"]

        found = {}
        for source in asked["configMapAsEnv"]:
            data = one(self.objects, "ConfigMap", named(source, "configMap"))["data"]
            found |= {k["envVar"]: data[k["configMapKey"]] for k in source["keyToEnv"]}
        for source in asked["secretAsEnv"]:
            data = SECRETS[named(source, "secret")]
            found |= {k["envVar"]: data[k["secretKey"]] for k in source["keyToEnv"]}
        return found

    def serving_environment(self) -> dict[str, str]:
        """What replicas would be told, but for the folders and the controller of this machine."""
        settings = one(self.objects, "ConfigMap", "coterie-settings")["data"]
        here = {
            "COTERIE_FEATURES": str(self.mounted("features")),
            "COTERIE_KEYS": str(self.mounted("keys") / "keys.json"),
            "COTERIE_RULES": str(self.mounted("rules") / "rules.yaml"),
            "COTERIE_STATE": str(self.home / "state"),
            "COTERIE_ROLLOUTS": "",
            "COTERIE_HOST": "127.0.0.1",
            "COTERIE_METRICS_PORT": "0",
            "COTERIE_LOG_FILE": "",
            "COTERIE_HAPROXY": "0",
        }
        (pod,) = (p for p in pods(self.objects) if p.owner == "Deployment/coterie-consumer")
        secrets = self.told(variables(pod.containers[0], self.objects))
        return {**settings, **secrets, **here}


def bare() -> dict[str, str]:
    """Our environment, without what says where stores are."""
    kept = ("PATH", "HOME", "PYTHONPATH", "TMPDIR", "OMP_WAIT_POLICY")
    return {name: os.environ[name] for name in kept if name in os.environ}
