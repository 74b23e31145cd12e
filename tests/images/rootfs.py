"""The chart's containers as runc takes them: the command, the environment, the mounts."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / "images"), str(ROOT / "tests" / "helm")]
from chart import Object, one, pods, variables  # noqa: E402
from containers import Mount  # noqa: E402

SECRET = "0123456789abcdef0123456789abcdef"
"""In the place of every value that a secret holds."""


@dataclass(frozen=True)
class Started:
    """A container of the chart."""

    name: str
    """Its owner's and its own."""
    image: str
    """train or serve."""
    args: list[str]
    env: dict[str, str] = field(default_factory=dict)
    mounts: list[Mount] = field(default_factory=list)


def containers(objects: list[Object], folder: Path) -> Iterator[Started]:
    """Those that run in our images; files of ConfigMaps are written into a folder."""
    for pod in pods(objects):
        for container in pod.containers:
            image = container["image"].rpartition("/")[2].partition(":")[0]
            if image.startswith("coterie-"):
                yield Started(
                    f"{pod.owner}/{container['name']}",
                    image.removeprefix("coterie-"),
                    container.get("args", []),
                    _environment(container, objects),
                    list(_mounts(container, pod.spec, objects, folder)),
                )


def _environment(container: Object, objects: list[Object]) -> dict[str, str]:
    found = variables(container, objects)
    return {
        name: SECRET if value.startswith('{"secretKeyRef"') else _plain(value)
        for name, value in found.items()
        if not name.startswith("secret ")
    }


def _plain(value: str) -> str:
    # The pod's own address is the one thing that is asked of it.
    return "127.0.0.1" if value.startswith('{"fieldRef"') else value


def _mounts(
    container: Object, spec: Object, objects: list[Object], folder: Path
) -> Iterator[Mount]:
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    for mount in container["volumeMounts"]:
        volume = volumes[mount["name"]]
        if "emptyDir" in volume:
            yield Mount(mount["mountPath"])
        elif "configMap" in volume:
            files = folder / volume["configMap"]["name"]
            files.mkdir(exist_ok=True)
            for name, text in one(objects, "ConfigMap", files.name)["data"].items():
                (files / name).write_text(text)
            yield Mount(mount["mountPath"], str(files), read_only=True)
        else:
            raise AssertionError(json.dumps(volume))
