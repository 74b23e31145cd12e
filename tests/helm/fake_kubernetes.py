"""A Kubernetes in which objects are already, for helm to look up."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kube.api import FakeApi
from kube.kinds import BY_NAME
from kube.server import kubeconfig, serving


@contextmanager
def kubernetes(folder: Path, objects: list[Mapping[str, Any]]) -> Iterator[Path]:
    """A kubeconfig of an API that has these objects in namespace shop."""
    api = FakeApi()
    for one in objects:
        api.put(BY_NAME[one["kind"]].plural, one["metadata"]["name"], _owned(one))
    with serving(api) as address:
        yield kubeconfig(folder, address)


def _owned(o: Mapping[str, Any]) -> dict[str, Any]:
    """As helm leaves an object that it made."""
    mark = {"release-name": "coterie", "release-namespace": "shop"}
    annotations = {f"meta.helm.sh/{key}": value for key, value in mark.items()}
    return {**o, "metadata": {**o["metadata"], "annotations": annotations}}
