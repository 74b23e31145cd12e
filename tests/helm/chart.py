"""The chart as tests see it: rendered by helm, taken apart into objects and pods."""

import functools
import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "helm" / "coterie"
CI: Final = {
    path.name.removesuffix("-values.yaml"): path for path in FOLDER.glob("ci/*-values.yaml")
}
NAMESPACE: Final = "shop"
SECRETS: Final = (
    *("--set", "secrets.existingSecret=app", "--set", "secrets.existingKeys=keys"),
    *("--set", "redis.existingSecret=redis"),
)
"""Without them, passwords differ each time."""
OF_REVISION: Final = re.compile(r"-[0-9]+-[0-9a-f]{5}$")
"""The end of a Job's name: its revision, and what its pod reads."""
RAYS_AGENT: Final = 52365
"""Listens on each node of Ray; KubeRay's own probes ask it."""
Object = dict[str, Any]


class ChartError(Exception):
    """Helm refuses; the text is what it says."""


@dataclass(frozen=True)
class Chart:
    binary: Path
    folder: Path = FOLDER

    def text(self, values: Path | None = None, *options: str, **environment: str) -> str:
        """What helm renders.

        Raises:
            ChartError: It refuses.
        """
        command = ["template", "coterie", str(self.folder), "--namespace", NAMESPACE]
        command += ["--values", str(values)] if values else []
        return self.run(*command, *options, **environment)

    def objects(self, values: Path | None = None, *options: str, **environment: str):
        return parse(self.text(values, *options, **environment))

    def run(self, *arguments: str, **environment: str) -> str:
        return _run(self.binary, arguments, tuple(sorted(environment.items())))


@functools.cache
def _run(binary: Path, arguments: Sequence[str], environment: Sequence[tuple[str, str]]) -> str:
    done = subprocess.run(
        [str(binary), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, **dict(environment)},
    )
    if done.returncode:
        raise ChartError(done.stdout + done.stderr)
    return done.stdout


LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""In C where it is there: of what one values file makes, a tenth of a second instead of one."""


def parse(text: str) -> list[Object]:
    return [one for one in yaml.load_all(text, Loader=LOADER) if one]


def one(objects: Sequence[Object], kind: str, name: str) -> Object:
    found = [o for o in objects if o["kind"] == kind and o["metadata"]["name"] == name]
    assert len(found) == 1, f"{len(found)} objects {kind}/{name}"
    return found[0]


def named(objects: Sequence[Object]) -> list[str]:
    """Kinds and names, those of Jobs without the end that differs from revision to revision."""
    return [f"{o['kind']}/{OF_REVISION.sub('', o['metadata']['name'])}" for o in objects]


@dataclass(frozen=True)
class Pod:
    owner: str
    labels: Mapping[str, str]
    spec: Object

    @property
    def component(self) -> str:
        return self.labels["app.kubernetes.io/component"]

    @property
    def containers(self) -> list[Object]:
        return [*self.spec.get("initContainers", ()), *self.spec["containers"]]

    @property
    def ports(self) -> dict[str, int]:
        return {
            port["name"]: port["containerPort"]
            for container in self.containers
            for port in container.get("ports", ())
        }


def pods(objects: Sequence[Object]) -> list[Pod]:
    """Every pod that these objects lead to."""
    return [
        Pod(owner, t["metadata"].get("labels", {}), t["spec"])
        for o, owner in zip(objects, named(objects), strict=True)
        for t in _templates(o)
    ]


def selects(selector: Object, pod: Pod) -> bool:
    """Whether a label selector finds a pod."""
    wanted = selector.get("matchLabels", {}).items() <= pod.labels.items()
    among = all(
        pod.labels.get(e["key"]) in e["values"] for e in selector.get("matchExpressions", ())
    )
    return wanted and among


def _templates(o: Object) -> Iterator[Object]:
    if o["kind"] == "Pod":
        yield o
    elif o["kind"] == "CronJob":
        yield o["spec"]["jobTemplate"]["spec"]["template"]
    elif o["kind"] == "RayService":
        cluster = o["spec"]["rayClusterConfig"]
        yield cluster["headGroupSpec"]["template"]
        yield from (group["template"] for group in cluster["workerGroupSpecs"])
    elif o["kind"] == "RayJob":
        cluster = o["spec"]["rayClusterSpec"]
        yield o["spec"]["submitterPodTemplate"]
        yield cluster["headGroupSpec"]["template"]
        yield from (group["template"] for group in cluster["workerGroupSpecs"])
    elif "template" in o.get("spec", {}):
        yield o["spec"]["template"]


def serve_config(objects: Sequence[Object]) -> Object:
    """What replicas are told, as the controller writes it when values' release is live."""
    return yaml.safe_load(serve_text(one(objects, "RayService", "coterie")))


def serve_text(service: Object) -> str:
    if "serveConfigV2" in service["spec"]:
        return service["spec"]["serveConfigV2"]
    from coterie.cluster.served import compose, template_of
    from coterie.cluster.stated import Statement
    from coterie.rollout.live import Live

    return compose(template_of(service), Live(Statement.of(service).release))


def deployments(objects: Sequence[Object]) -> dict[str, Object]:
    (application,) = serve_config(objects)["applications"]
    return {deployment["name"]: deployment for deployment in application["deployments"]}


def variables(container: Object, objects: Sequence[Object]) -> dict[str, str]:
    """A container's environment, where the chart knows it; else where it comes from."""
    found: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        if "configMapRef" in source:
            found |= one(objects, "ConfigMap", source["configMapRef"]["name"])["data"]
        else:
            found[f"secret {source['secretRef']['name']}"] = ""
    for variable in container.get("env", ()):
        found[variable["name"]] = variable.get("value") or json.dumps(variable.get("valueFrom"))
    return found


def ray_job_of(objects):
    """As coterie/cluster makes it of the chart's settings."""
    from coterie.cluster import rayjob

    text = one(objects, "ConfigMap", "coterie-training")["data"]["training.json"]
    cluster, pod = rayjob.TrainingCluster.of(text), rayjob.Pod("step", "0" * 36, NAMESPACE)
    name = cluster.job_name(pod, 0)
    made = rayjob.ray_job(cluster, name, pod, ["python", "-m", "x"], 2)
    made["metadata"]["namespace"] = NAMESPACE
    return {"apiVersion": "ray.io/v1", "kind": "RayJob", **made}
