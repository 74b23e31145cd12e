"""The API server or the object store is away, and comes back: what is held, and what is said."""

import time

import pytest
from cluster_shop import Shop, release
from s3_server import s3  # noqa: F401 - a fixture
from test_main import get, loop, registry, running  # noqa: F401 - fixtures
from waiting import wait_until

from coterie.probes import pages
from coterie.release.store import ReleaseStore
from coterie.rollout.state import Phase


@pytest.fixture
def bucket(s3, tmp_path):  # noqa: F811
    """Two releases in a bucket: its address, and their digests."""
    store = ReleaseStore("s3://shop/releases")
    digests = [release(tmp_path, version, fill) for version, fill in (("v1", 1.0), ("v2", 2.0))]
    for version in ("v1", "v2"):
        store.publish(f"{tmp_path}/{version}")
    return store.root, *digests


def turns(controller, number=1):
    """Turns, each after what was being read was read."""
    for _ in range(number):
        controller.turn()
        while (check := controller.arms._check) and not check.over:
            time.sleep(0.01)
    return controller.rollout_store.read()[0]


@pytest.mark.parametrize("away", ["stop", "fall_silent"])
def test_a_release_that_cannot_be_read_is_waited_for_and_not_refused(
    api,
    s3,  # noqa: F811
    bucket,
    cluster,
    away,
):
    shop = Shop(api, *bucket)
    shop.start(cluster, deadline_s=1e6)
    controller = shop.controller(cluster)
    while turns(controller).phase is not Phase.PREFLIGHT:
        pass
    getattr(s3, away)()
    state = turns(controller, 4)
    assert (state.phase, state.quarantine) == (Phase.PREFLIGHT, {})
    assert shop.live.canary == "", "nobody is put on what was not read"
    s3.start() if away == "stop" else s3.speak()
    assert turns(controller, 3).phase is Phase.SHADOW


def test_a_release_whose_digest_is_wrong_is_named_and_refused(api, bucket, cluster):
    """Somebody wrote over it in the store: what is live stays, and the audit log says why."""
    import fsspec

    shop = Shop(api, *bucket)
    shop.start(cluster)
    controller = shop.controller(cluster)
    while turns(controller).phase is not Phase.PREFLIGHT:
        pass
    fs = fsspec.filesystem("s3")
    content = fs.cat_file("shop/releases/v2/parameters.safetensors")
    fs.pipe_file("shop/releases/v2/parameters.safetensors", content[:-1] + b"?")
    while (state := turns(controller)).phase is Phase.PREFLIGHT:
        pass
    why = state.quarantine[shop.new]
    assert "s3://shop/releases/v2: parameters.safetensors does not match the digest" in why
    assert shop.live.canary == ""
    assert shop.live.stable == shop.old
    told = [event["message"] for event in api.events("Rollout") if event["type"] == "Warning"]
    last = controller.rollout_store.history()[-1]
    assert why in last.why or any(why in message for message in told)


def test_while_the_api_is_away_weights_are_held_and_the_controller_is_not_ready(
    api,
    shop,
    loop,  # noqa: F811
    registry,  # noqa: F811
    caplog,
):
    shop.start(loop.rollout_store._cluster, step_s=300)
    with pages(0, registry, loop) as port, running(loop):
        wait_until(lambda: shop.live.weight > 0 and loop.ready())
        fault = api.fail("*", "*", 0, times=1e9)
        wait_until(lambda: fault.times < 1e9 - 3)
        weight = shop.live.weight
        wait_until(lambda: fault.times < 1e9 - 20)
        assert get(port, "/readyz")[0] == 503
        assert get(port, "/healthz")[0] == 200, "a restart would not help"
        assert shop.live.weight == weight
        assert caplog.text.count("the API did not answer") < 5, "said once, as long as it lasts"
        api.heal()
        wait_until(lambda: get(port, "/readyz")[0] == 200)
        wait_until(lambda: shop.live.weight > weight)


def test_a_store_that_does_not_let_us_in_is_no_fault_of_the_release(api, bucket, cluster, s3):  # noqa: F811
    """Credentials that ran out: a person mends them, and the rollout goes on."""
    shop = Shop(api, *bucket)
    shop.start(cluster, deadline_s=1e6)
    controller = shop.controller(cluster)
    while turns(controller).phase is not Phase.PREFLIGHT:
        pass

    def denied(*_):
        raise PermissionError("Access Denied")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(controller.arms._store._fs, "cat_file", denied)
        assert turns(controller, 3).phase is Phase.PREFLIGHT
    assert turns(controller, 3).phase is Phase.SHADOW
