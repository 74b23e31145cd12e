"""Who owns which field, and what is live, in an install's life: real helm, a real controller."""

import json
import shutil

import pytest
from chart import CI
from install import FOLDER, Install, client_of, program
from kube.cluster import CommandError, cluster
from programs import Programs
from tools import HELM_3, NEWEST
from waiting import wait_until

from coterie.cluster.api import RAY_SERVICES
from coterie.cluster.served import read_live
from coterie.cluster.store import ClusterRolloutStore
from coterie.rollout.live import Live, ReleaseRef
from coterie.rollout.state import Phase, State, Target

pytest.importorskip("cluster_shop")
from cluster_shop import release


class Shop(Install):
    """With a store of two releases."""

    def __init__(self, cluster, helm, store, programs):
        super().__init__(cluster, helm)
        self.store, self.controlled = store, True
        self.digests = {v: release(store, v, fill) for v, fill in (("v1", 1.0), ("v2", 2.0))}
        self.programs = programs
        programs.run["controller"] = programs.controller
        self.rollout_store = ClusterRolloutStore(client_of(self), "coterie")
        self.values = (
            "--values", CI["gpu"], f"--set=release.store={store}", "--set=rollouts.replicas=1",
            "--set=rollouts.prometheusUrl=http://127.0.0.1:9",
        )  # fmt: skip

    def names(self, version):
        """Options that state a release."""
        return (
            f"--set=release.folder={self.store}/{version}",
            f"--set=release.digest={self.digests[version]}",
        )

    def make(self, version):
        self.install(*self.names(version), values=self.values)
        self.tells(version)
        self.serves()

    def tells(self, version):
        """Go on until replicas are told a release, alone, and the controller has said so."""
        wanted = Target(self.digests[version])
        with self.world.going_on():
            wait_until(lambda: self.live == wanted, 30)

    @property
    def live(self):
        text = self.service["spec"].get("serveConfigV2")
        return read_live(self.service).target if text else None

    def owners(self, field):
        """Managers of a field of the RayService's spec."""
        managed = self.service["metadata"]["managedFields"]
        return {
            one["manager"] for one in managed if f"f:{field}" in one["fieldsV1"].get("f:spec", {})
        }

    def said(self, reason):
        return [event["message"] for event in self.api.events(reason)]


HELMS = {"helm 4": NEWEST, "helm 3": HELM_3}
either = pytest.mark.parametrize("shop", HELMS, indirect=True)
"""Others ask helm 4 alone: they are about the controller."""


@pytest.fixture
def shop(request, tmp_path, monkeypatch):
    helm = program(HELMS[getattr(request, "param", "helm 4")], "helm")
    with cluster(tmp_path) as one, Programs(one, monkeypatch) as programs:
        programs.run["removal"] = programs.command
        yield Shop(one, helm, tmp_path / "releases", programs)


@either
def test_what_a_person_forced_stays_through_upgrades_and_a_rollback(shop):
    shop.make("v1")
    assert shop.owners("serveConfigV2") == {"coterie-controller"}
    assert "manager" not in shop.owners("rayClusterConfig"), "KubeRay wrote the whole object"
    shop.upgrade(*shop.names("v2"), "--set", "release.force=true")
    shop.tells("v2")
    assert shop.rollout_store.history()[-1].who == "helm"
    shop.upgrade("--set", "release.force=false", "--set", "serving.api.targetOngoing=2")
    with shop.world.going_on():
        wait_until(lambda: '"target_ongoing_requests": 2' in shop.service["spec"]["serveConfigV2"])
    shop.tells("v2")
    shop.helm("rollback", "coterie", "1")
    with shop.world.going_on():
        wait_until(lambda: shop.said("ReleaseKept"))
        wait_until(lambda: '"target_ongoing_requests": 4' in shop.service["spec"]["serveConfigV2"])
    shop.tells("v2")


def test_another_install_serves_what_its_values_state(shop):
    shop.make("v1")
    shop.helm("uninstall", "coterie")
    shop.world.until(lambda: not shop.api.every("rayservices"))
    assert shop.rollout_store.read()[0].stable == shop.digests["v1"], "the rollout store is kept"
    shop.make("v2")
    line = shop.rollout_store.history()[-1]
    assert (line.after, line.who) == (Phase.IDLE, "helm")
    assert line.why.startswith("installed anew")


def old_chart(folder):
    """The chart's way before: replicas are told by the chart, and KubeRay adds its finalizer."""
    chart = shutil.copytree(FOLDER, folder / "older" / "coterie")
    service, helpers = (chart / "templates" / name for name in ("rayservice.yaml", "_helpers.tpl"))
    text = service.read_text()
    text = text.replace("  finalizers: [ray.io/rayservice-finalizer]\n", "")
    text = text.replace(
        "{{- if not .Values.rollouts.enabled }}\n  serve", "{{- if true }}\n  serve"
    )
    mark = "{{- if .Values.rollouts.enabled }}\n  # The controller makes"
    assert mark in text
    service.write_text(text.replace(mark, "{{- if false }}\n  # The controller makes"))
    mark = "{{- if .Values.rollouts.enabled -}}\nnull"
    assert mark in helpers.read_text()
    helpers.write_text(helpers.read_text().replace(mark, "{{- if false -}}\nnull"))
    return chart


@either
def test_an_upgrade_from_an_older_chart_keeps_what_is_live(shop, tmp_path):
    """Its controller promoted v2, and wrote that into helm's own text."""
    run = shop.programs.run.pop("controller")
    older = old_chart(tmp_path)
    shop.helm("install", "coterie", older, *shop.values, *shop.names("v1"))
    shop.serves()
    assert "manager" in shop.owners("rayClusterConfig")
    live = Live(ReleaseRef(shop.digests["v2"], f"{shop.store}/v2"))
    text = shop.service["spec"]["serveConfigV2"].replace(*told(shop, live))
    client = client_of(shop)
    client.patch(RAY_SERVICES, "coterie", {"spec": {"serveConfigV2": text}})
    shop.rollout_store.write(
        State(phase=Phase.PROMOTED, stable=live.stable.digest), shop.rollout_store.read()[1]
    )
    options = ("--set", "serving.logLevel=DEBUG", "--set", "rollouts.intervalSeconds=1")
    shop.programs.run["controller"] = run
    if "v4" in shop.helm("version", "--short"):
        with pytest.raises(CommandError, match="workerGroupSpecs"):
            shop.upgrade(*options)
        options += ("--force-conflicts",)
    shop.upgrade(*options)
    shop.tells("v2")
    shop.serves()
    shop.upgrade("--set", "serving.logLevel=INFO")
    shop.serves()
    assert shop.live == live.target
    assert shop.owners("serveConfigV2") == {"coterie-controller"}


def told(shop, live):
    """Text of the chart, and what the old controller put in its place."""
    stable = {"digest": shop.digests["v1"], "folder": f"{shop.store}/v1"}
    chart = {"canary": None, "mirrored": False, "stable": stable, "weight": 0}
    return json.dumps(chart, separators=(",", ":")), json.dumps(live.as_json())


def test_rollouts_can_be_switched_off_and_on_again(shop):
    shop.make("v1")
    off = ("--set", "rollouts.enabled=false", *shop.names("v2"))
    with pytest.raises(CommandError, match="serveConfigV2"):
        shop.upgrade(*off)
    shop.upgrade(*off, "--force-conflicts")
    shop.tells("v2")
    assert "coterie-controller" not in shop.owners("serveConfigV2")
    shop.upgrade("--set", "rollouts.enabled=true")
    with shop.world.going_on():
        wait_until(lambda: shop.owners("serveConfigV2") == {"coterie-controller"})
    shop.tells("v2")
    assert shop.rollout_store.read()[0].stable == shop.digests["v2"]
