"""A life of the chart: pods that are evicted, clusters that follow each other, an uninstall."""

import pytest
from chart import CI, RAYS_AGENT, named, one, pods, selects

HELM_WAITS_S = 300
"""For each hook, unless --timeout says otherwise."""


def hooks(objects):
    return [o for o in objects if "helm.sh/hook" in o["metadata"].get("annotations", {})]


def test_hooks_clean_up_and_end_within_the_time_that_helm_gives(example):
    for hook in hooks(example):
        policy = hook["metadata"]["annotations"]["helm.sh/hook-delete-policy"]
        assert policy == "before-hook-creation,hook-succeeded", hook["metadata"]["name"]
        if hook["kind"] == "Job":
            assert 0 < hook["spec"]["activeDeadlineSeconds"] < HELM_WAITS_S


def test_no_install_and_no_upgrade_waits_for_a_hook(example):
    """A first pull may take longer than Helm waits; and what hooks make, an uninstall leaves."""
    when = {o["metadata"]["annotations"]["helm.sh/hook"] for o in hooks(example)}
    assert when <= {"pre-delete", "test"}
    for job in (o for o in example if o["kind"] == "Job"):
        assert job["spec"]["activeDeadlineSeconds"] > 0


def test_before_an_uninstall_the_ray_service_goes_while_all_else_is_there(chart):
    objects = chart.objects(CI["gpu"])
    weights = {
        f"{o['kind']}/{o['metadata']['name']}": int(
            o["metadata"]["annotations"]["helm.sh/hook-weight"]
        )
        for o in hooks(objects)
        if o["metadata"]["annotations"]["helm.sh/hook"] == "pre-delete"
    }
    # What the Job stands on comes before it, also where kinds would be ordered otherwise.
    assert weights == {
        "ServiceAccount/coterie-removal": -2,
        "Role/coterie-removal": -2,
        "RoleBinding/coterie-removal": -1,
        "Job/coterie-removal": 0,
    }
    policy = one(objects, "NetworkPolicy", "coterie-removal")
    assert "annotations" not in policy["metadata"], "pods find it there"


def test_the_removal_is_called_as_its_code_wants_and_may_what_it_does(chart, monkeypatch):
    removal = pytest.importorskip("coterie.cluster.removal")
    objects = chart.objects(CI["gpu"])
    (pod,) = (p for p in pods(objects) if p.component == "removal")
    (container,) = pod.containers
    assert container["args"][:3] == ["python", "-m", "coterie.cluster.removal"]
    asked = []
    monkeypatch.setattr(removal.Cluster, "connect", lambda namespace: asked.append(namespace))
    monkeypatch.setattr(removal, "remove", lambda _, *what: asked.extend(what))
    monkeypatch.setattr(removal, "tidy", lambda _, *what: asked.extend(what))
    assert removal.main(container["args"][3:]) == 0
    labels = "app.kubernetes.io/instance=coterie,app.kubernetes.io/component=jobs"
    assert asked == ["shop", "coterie", 240, labels, ["coterie-test-api"]]
    wanted = dict(pair.split("=") for pair in labels.split(","))
    jobs = [o for o in objects if o["kind"] == "Job" and o not in hooks(objects)]
    assert jobs
    assert all(wanted.items() <= job["metadata"]["labels"].items() for job in jobs)
    deadline = one(objects, "Job", "coterie-removal")["spec"]["activeDeadlineSeconds"]
    assert deadline > 240, "it ends by itself, and says why"
    rules = one(objects, "Role", "coterie-removal")["rules"]
    assert [(r["resources"], r["verbs"], r.get("resourceNames")) for r in rules] == [
        (["rayservices"], ["get", "delete"], ["coterie"]),
        (["rayclusters"], ["list"], None),
        (["jobs"], ["list", "delete"], None),
        (["pods"], ["delete"], ["coterie-test-api"]),
    ]


SCALED = {"Deployment", "StatefulSet", "ReplicaSet", "ReplicationController"}
"""Kinds that tell by a scale subresource how many pods there should be; a RayCluster does not."""


def test_budgets_can_be_counted_by_kubernetes(example):
    """All but a whole number that has to stay is counted from what the owner wants."""
    for budget in (o for o in example if o["kind"] == "PodDisruptionBudget"):
        (pod,) = (p for p in pods(example) if selects(budget["spec"]["selector"], p))
        kind = pod.owner.partition("/")[0]
        stays = budget["spec"].get("minAvailable")
        assert kind in SCALED or isinstance(stays, int), f"{pod.owner}: no pod can ever be evicted"


@pytest.mark.parametrize(
    ("least", "away", "stay"),
    [
        (2, "1", 1),
        (3, "1", 2),
        (4, "2", 2),
        (3, "5", 1),
        (4, "50%", 2),
        (4, "10%", 3),
        (5, "9%", 4),
    ],
)
def test_some_workers_may_go_and_one_stays(chart, least, away, stay):
    options = [f"serving.workers.min={least}", f"serving.workers.maxUnavailable={away}"]
    objects = chart.objects(CI["gpu"], *(part for o in options for part in ("--set", o)))
    assert one(objects, "PodDisruptionBudget", "coterie-worker")["spec"]["minAvailable"] == stay


def test_one_worker_alone_has_no_budget(chart):
    """It would hold the drain of its node up for ever."""
    objects = chart.objects(CI["gpu"], "--set", "serving.workers.min=1")
    assert "PodDisruptionBudget/coterie-worker" not in named(objects)


def worker_of(objects):
    (worker,) = (p for p in pods(objects) if p.component == "worker")
    return worker, next(c for c in worker.containers if c["name"] == "ray-worker")


def test_requests_go_to_ready_workers_of_every_ray_cluster(chart):
    """While one cluster follows another nothing has to be moved at the right moment."""
    objects = chart.objects(CI["gpu"])
    service = one(objects, "Service", "coterie-api")["spec"]
    worker, _ = worker_of(objects)
    assert service["selector"].items() <= worker.labels.items()
    assert not [label for label in service["selector"] if label.startswith("ray.io/")]
    assert not service.get("publishNotReadyAddresses")
    assert [p.component for p in pods(objects) if service["selector"].items() <= p.labels.items()]


def test_kubernetes_notices_within_seconds_whether_a_worker_answers(example):
    """KubeRay leaves probes alone that are set; its own look once in 5 s, and begin after 10."""
    if not [p for p in pods(example) if p.component == "worker"]:
        pytest.skip("nothing is served")
    _, container = worker_of(example)
    probe = container["readinessProbe"]
    # Not by exec: a process of its own each second costs what the pod has for answers.
    assert probe["httpGet"] == {"path": "/-/healthz", "port": "serve"}
    assert (probe["periodSeconds"], probe.get("initialDelaySeconds", 0)) == (1, 0)
    assert probe["timeoutSeconds"] >= 5, "a busy pod is no dead one"
    command = container["lifecycle"]["preStop"]["exec"]["command"]
    drain_s = float(command[command.index("--seconds") + 1])
    assert probe["periodSeconds"] * probe["failureThreshold"] <= drain_s / 2
    for pod in (p for p in pods(example) if p.component in {"head", "worker"}):
        main = next(c for c in pod.containers if c["name"].startswith("ray-"))
        assert {"livenessProbe", "readinessProbe"} <= main.keys()
        liveness = main["livenessProbe"]
        assert liveness["httpGet"] == {"path": "/api/healthz", "port": RAYS_AGENT}
        assert liveness["periodSeconds"] * liveness["failureThreshold"] >= 600, "a slow start"
        assert "startupProbe" not in main, "KubeRay's Redis cleanup would inherit it from the head"
