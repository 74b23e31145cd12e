"""New code goes back together with its configuration, in one request, or not at all."""

import json

import pytest
from cluster_shop import CONFIG, OLD_TEXT, ray_service, serve_config, stated
from fake_api import KubeRay

from coterie.cluster.api import RAY_SERVICES, Cluster, ConflictError
from coterie.cluster.served import TEMPLATE
from coterie.cluster.stated import STATED
from coterie.cluster.upgrade import main, record, roll_back
from coterie.errors import BadInputError, UnavailableError
from coterie.rollout.live import Live, ReleaseRef

OLD = {"rayVersion": "2.59.0", "headGroupSpec": {"image": "shop:1"}}
NEW = {"rayVersion": "2.60.0", "headGroupSpec": {"image": "shop:2", "added": True}, "extra": 1}


@pytest.fixture
def service(api, cluster):
    api.kuberay["shop"] = KubeRay()
    spec = {"rayClusterConfig": OLD, "serveConfigV2": OLD_TEXT.replace("USER_CONFIG", "{}")}
    api.put("rayservices", "shop", {"kind": "RayService", "spec": {**spec, "kept": 1}})
    for _ in range(4):
        cluster.get(RAY_SERVICES, "shop")
    return spec


def upgrade(api, **fields):
    service = api.objects["rayservices", "shop"]
    api.put("rayservices", "shop", {**service, "spec": {**service["spec"], **fields}})


def spec(api):
    return api.objects["rayservices", "shop"]["spec"]


def test_both_fields_go_back_in_one_request(api, cluster, service):
    record(cluster, "shop")
    upgrade(api, rayClusterConfig=NEW, serveConfigV2="applications: [] # other code")
    before = len(api.writes())
    assert roll_back(cluster, "shop", "answers are slow")
    changes = [r for r in api.writes()[before:] if r[1] == "rayservices"]
    assert changes == [("patch", "rayservices", "shop")]
    assert spec(api) == {**service, "kept": 1}
    (event,) = api.events("RolledBack")
    assert "answers are slow" in event["message"]
    assert not roll_back(cluster, "shop", "answers are slow")


def test_the_template_goes_back_and_what_is_live_goes_on(api, cluster, releases):
    """The old code's template, with the release that was promoted since."""
    root, old, new = releases
    first, second = Live(ReleaseRef(old, f"{root}/v1")), Live(ReleaseRef(new, f"{root}/v2"))
    other = json.loads(json.dumps(CONFIG).replace('"num_replicas": 2', '"num_replicas": 5'))
    api.kuberay["shop"] = KubeRay()
    api.put("rayservices", "shop", ray_service(stated(old, f"{root}/v1", 1), first))
    for _ in range(4):
        cluster.get(RAY_SERVICES, "shop")
    record(cluster, "shop")
    newer = ray_service(stated(old, f"{root}/v1", 2), second, other)
    newer["spec"]["rayClusterConfig"] = NEW
    api.put("rayservices", "shop", newer)
    before = len(api.writes())
    assert roll_back(cluster, "shop", "slow")
    assert len([r for r in api.writes()[before:] if r[1] == "rayservices"]) == 1
    service = api.objects["rayservices", "shop"]
    assert service["spec"] == {"rayClusterConfig": {"rayVersion": "2.60.0"}, **text_of(second)}
    annotations = service["metadata"]["annotations"]
    assert json.loads(annotations[TEMPLATE]) == CONFIG
    assert json.loads(annotations[STATED])["revision"] == 2
    assert not roll_back(cluster, "shop", "again")


def test_back_to_an_older_chart_takes_the_template_away(api, cluster, service, releases):
    root, old, _ = releases
    record(cluster, "shop")
    live = Live(ReleaseRef(old, f"{root}/v1"))
    api.put("rayservices", "shop", ray_service(stated(old, f"{root}/v1"), live))
    assert roll_back(cluster, "shop", "slow")
    found = api.objects["rayservices", "shop"]
    assert TEMPLATE not in found["metadata"]["annotations"]
    assert found["spec"]["serveConfigV2"] == service["serveConfigV2"]


def text_of(live):
    return {"serveConfigV2": serve_config(live)}


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("status", [0, 409, 500])
def test_no_request_that_fails_leaves_half(api, cluster, service, status, after):
    record(cluster, "shop")
    new = {"rayClusterConfig": NEW, "serveConfigV2": "other"}
    upgrade(api, **new)
    api.fail("patch", "rayservices", status, after=after)
    with pytest.raises(UnavailableError):
        roll_back(cluster, "shop", "slow")
    assert spec(api) == {**(service if after else new), "kept": 1}
    assert roll_back(cluster, "shop", "slow") is not after
    assert spec(api) == {**service, "kept": 1}


def test_a_change_by_somebody_else_is_not_overwritten_unseen(api, cluster, service):
    record(cluster, "shop")
    upgrade(api, rayClusterConfig=NEW)
    get = cluster.get

    def then_changed(*args):
        found = get(*args)
        upgrade(api, kept=2)
        return found

    cluster.get = then_changed
    with pytest.raises(ConflictError):
        roll_back(cluster, "shop", "slow")
    assert spec(api)["rayClusterConfig"] == NEW


def test_what_is_recorded_is_the_last_that_ran(api, cluster, service):
    record(cluster, "shop")
    upgrade(api, rayClusterConfig=NEW)
    for _ in range(4):
        cluster.get(RAY_SERVICES, "shop")
    record(cluster, "shop")
    upgrade(api, rayClusterConfig={"rayVersion": "3"})
    roll_back(cluster, "shop", "slow")
    assert spec(api)["rayClusterConfig"] == NEW


@pytest.mark.parametrize(
    "status",
    [
        {"conditions": [{"type": "Ready", "status": "False"}]},
        {"pendingServiceStatus": {"rayClusterName": "next"}},
        {"observedGeneration": 0},
    ],
)
def test_what_does_not_run_is_not_recorded(api, cluster, service, status):
    api.kuberay["shop"].paused = True
    api.objects["rayservices", "shop"]["status"].update(status)
    with pytest.raises(BadInputError, match="not ready"):
        record(cluster, "shop")


def test_without_a_record_or_a_reason_nothing_goes_back(api, cluster, service):
    with pytest.raises(BadInputError, match="record what runs"):
        roll_back(cluster, "shop", "slow")
    record(cluster, "shop")
    with pytest.raises(BadInputError, match="reason"):
        roll_back(cluster, "shop", " ")


def test_a_person_records_and_goes_back_by_command(api, cluster, service, monkeypatch, capsys):
    monkeypatch.setattr(Cluster, "connect", lambda namespace: cluster)
    where = ["--namespace", "shop", "--service", "shop"]
    assert main(["record", *where]) == 0
    upgrade(api, rayClusterConfig=NEW)
    assert main(["back", *where]) == 1
    assert "needs a reason" in capsys.readouterr().err
    assert spec(api)["rayClusterConfig"] == NEW
    assert main(["back", *where, "--reason", "answers are slow"]) == 0
    assert spec(api)["rayClusterConfig"] == OLD
    assert main(["back", *where, "--reason", "again"]) == 0
    assert "nothing was changed" in capsys.readouterr().out
