"""What the suite is told by the environment: ``docs/cluster.md`` lists the variables."""

import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).parents[2]
NEEDED = ("KUBECONFIG", "COTERIE_IMAGE", "COTERIE_S3")


@dataclass(frozen=True)
class Settings:
    """One run of the suite."""

    image: str
    """Of serving, with its tag; that of training lies beside it as coterie-train."""
    s3: str
    """Address of the object store, as pods reach it."""
    namespace: str
    bucket: str = "coterie"
    key: str = "coterie"
    secret: str = "change-me-please"
    prometheus: str = ""
    """Address of a Prometheus, as pods reach it; looked for where empty."""
    prometheus_label: str = ""
    """NAME=VALUE that its operator selects monitors by."""
    values: str = ""
    """A file with values over those of values.yaml."""
    keep: bool = False
    """Leave everything as it is at the end, for whoever wants to look."""
    ours: bool = True
    """Whether the namespace is made, and removed, by the suite."""
    previous: str = ""
    """A git reference with the chart to come from."""
    previous_image: str = ""
    """The image for that chart; the same one where empty."""
    kubeflow: str = "kubeflow"
    """Namespace of Kubeflow Pipelines."""
    report: str = "build/cluster-live.json"

    @property
    def images(self) -> dict[str, str]:
        """Values of the chart's images."""
        return images(self.image)

    @property
    def train_image(self) -> str:
        """The image that pipelines run in."""
        repository, _, tag = self.image.rpartition(":")
        return f"{repository.rpartition('/')[0]}/coterie-train:{tag}".lstrip("/")

    @property
    def prefix(self) -> str:
        """The URL below which everything of this run lies."""
        return f"s3://{self.bucket}/{self.namespace}"

    @property
    def through_relay(self) -> bool:
        """Whether pods reach the store through a relay of ours, which can be stopped."""
        return urlsplit(self.s3).scheme == "http"


def images(image: str) -> dict[str, str]:
    """Split an image reference as the chart wants it.

    >>> images("registry.example/shop/coterie-serve:7")
    {'registry': 'registry.example/shop', 'tag': '7'}
    """
    repository, colon, tag = image.rpartition(":")
    if not colon or "/" in tag or "@" in image:
        raise ValueError(f"COTERIE_IMAGE is {image!r}: expected REGISTRY/coterie-serve:TAG")
    return {"registry": repository.rpartition("/")[0], "tag": tag}


def missing(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Name the variables that a cluster needs and that are not there."""
    return [name for name in NEEDED if not environment.get(name)]


def read(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings; a namespace that is not named gets a name of its own."""
    given = {
        field: environment[name]
        for name, field in {
            "COTERIE_S3_BUCKET": "bucket",
            "COTERIE_S3_KEY": "key",
            "COTERIE_S3_SECRET": "secret",
            "COTERIE_PROMETHEUS": "prometheus",
            "COTERIE_PROMETHEUS_LABEL": "prometheus_label",
            "COTERIE_VALUES": "values",
            "COTERIE_FROM": "previous",
            "COTERIE_FROM_IMAGE": "previous_image",
            "COTERIE_KUBEFLOW": "kubeflow",
            "COTERIE_REPORT": "report",
        }.items()
        if environment.get(name)
    }
    named = environment.get("COTERIE_NAMESPACE", "")
    return Settings(
        environment["COTERIE_IMAGE"],
        environment["COTERIE_S3"].rstrip("/"),
        named or f"coterie-live-{uuid.uuid4().hex[:6]}",
        keep=bool(environment.get("COTERIE_KEEP")),
        ours=not named,
        **given,
    )
