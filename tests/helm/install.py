"""The chart in a cluster of ``kube``, by real helm."""

import pytest
from chart import CI, FOLDER, serve_text
from kube.fields import Writer
from tools import NEWEST, NoHelmError
from waiting import wait_until

pytest.importorskip("coterie.cluster.store")
from kubernetes import client

from coterie.cluster.api import FIELD_MANAGER, Cluster

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
        self.controlled = False
        """Whether a real controller runs, which tells replicas what is live."""
        self.world.looks.append(self._tell)
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

    def _tell(self):
        """Of the controller, no more than that replicas are told the release of the values."""
        service = self.api.objects.get(("rayservices", "coterie"))
        if self.controlled or service is None or service["spec"].get("serveConfigV2"):
            return
        content = {**service, "spec": {**service["spec"], "serveConfigV2": serve_text(service)}}
        self.api.write("rayservices", "shop", content, Writer(FIELD_MANAGER))

    def serves(self):
        """Go on until it serves, and nothing moves any more."""
        if self.controlled:
            # Its controller is a thread with our own clock.
            with self.world.going_on():
                wait_until(lambda: ready(self.service))
                wait_until(lambda: not moving(self.service))
            return
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


def client_of(one):
    settings = client.Configuration()
    settings.host = one.cluster.address
    return Cluster("shop", settings)


def cluster_of(one):
    return one.service["status"]["activeServiceStatus"]["rayClusterName"]
