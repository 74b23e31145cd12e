"""The chart's life on a cluster: real helm and kubectl, a real API's rules, KubeRay's ways.

The cluster is that of ``kube``; ``tests/cluster_live`` asks a real one the same.
"""

import pytest
from chart import CI, FOLDER
from kube.cluster import cluster
from programs import Programs
from tools import HELM_3, NEWEST, NoHelmError

VALUES = ("--values", CI["gpu"])
SERVED = 300.0
"""Until a fresh install serves, at most; seconds of the cluster."""


def program(layer, name):
    try:
        return layer.program(name)
    except NoHelmError as error:
        pytest.skip(str(error))


class Install:
    """The chart in a cluster."""

    def __init__(self, cluster, helm):
        self.cluster, self.world, self.api = cluster, cluster.world, cluster.api
        self.binary = helm
        keys = {"AWS_ACCESS_KEY_ID": "a2V5", "AWS_SECRET_ACCESS_KEY": "c2VjcmV0"}
        self.api.put("secrets", "minio-user", {"data": keys})

    def helm(self, *words):
        return self.cluster.run(self.binary, *words, "--namespace", "shop")

    def kubectl(self, *words):
        return self.cluster.run(program(NEWEST, "kubectl"), *words)

    def install(self, *options, values=VALUES):
        return self.helm("install", "coterie", FOLDER, *values, *options)

    def upgrade(self, *options):
        return self.helm("upgrade", "coterie", FOLDER, "--reuse-values", *options)

    def serves(self):
        """Go on until it serves, and nothing moves any more."""
        self.world.until(lambda: ready(self.service), SERVED)
        self.world.until(lambda: not moving(self.service), SERVED)

    @property
    def service(self):
        return self.api.objects["rayservices", "coterie"]

    def pods(self, component):
        label = "app.kubernetes.io/component"
        found = self.api.every("pods", "shop")
        return [p for p in found if p["metadata"]["labels"].get(label) == component]


def ready(service):
    conditions = service.get("status", {}).get("conditions", ())
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def moving(service):
    status = service["status"]
    seen = status["observedGeneration"] == service["metadata"]["generation"]
    return bool(status["pendingServiceStatus"]) or not seen


@pytest.fixture(params=["helm 4", "helm 3"])
def either(request, tmp_path):
    layer = {"helm 4": NEWEST, "helm 3": HELM_3}[request.param]
    with cluster(tmp_path) as one:
        yield Install(one, program(layer, "helm"))


@pytest.fixture
def installed(tmp_path):
    with cluster(tmp_path) as one:
        yield Install(one, program(NEWEST, "helm"))


def test_an_install_that_waits_ends_while_nothing_is_served(installed, tmp_path, monkeypatch):
    """The controllers that lead and stand by are the real ones."""
    with Programs(installed.cluster, monkeypatch) as programs:
        programs.run["controller"] = programs.controller
        values = ("--values", CI["minimal"], "--set", f"release.store={tmp_path}/releases")
        installed.install("--wait", "--timeout=15s", values=values)
        assert len(programs.controllers) == 2


CHANGES = [
    (),
    ("--set", "serving.logLevel=DEBUG"),
    ("--set", "images.tag=0.1.1"),
    ("--set", "serving.workers.min=3"),
]


@pytest.mark.parametrize("change", CHANGES, ids=["nothing", "setting", "image", "workers"])
def test_a_plain_upgrade_works_after_kuberay_has_written(either, change):
    either.install()
    either.serves()
    either.upgrade(*change)
    either.serves()
