"""Rollouts in the real app, under shoppers: good releases come through, bad ones reach nobody."""

import shutil

import pytest
from shop_in_use import serve
from tiny_shop import train
from waiting import PATIENCE_S, wait_until

from coterie.data.simulate import ShopConfig, SimulatedShop, simulate
from coterie.release.store import ReleaseStore
from pipelines.client import Client
from pipelines.demo_rollouts import PLAN, roll_out
from pipelines.faulty_releases import FAULTS, write_copy, write_faulty, write_learned_half
from pipelines.simulated_traffic import SimulatedTraffic

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
TOKEN = "a-token-for-this-test-alone"
CAUGHT_BY = {
    "not-numbers": ("preflight",),
    "shuffled-items": ("score_out_of_range", "clicks", "purchases", "duplicate_lists"),
    # So slow that it is not even an answer.
    "slow": ("slow", "failures"),
    "raising": ("failures",),
    "same-list": ("duplicate_lists", "score_out_of_range"),
}
RUNNING = ("shadow", "step", "bake")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("rollouts")


@pytest.fixture(scope="module")
def store(home):
    return str(home / "releases")


@pytest.fixture(scope="module")
def made(home, store):
    # Large enough, and learned well enough, that what was shuffled is told from what was not.
    config = ShopConfig(num_users=1000, num_items=1000, num_events=50_000)
    simulate(config).write(str(home / "raw"))
    made = train(home / "raw", home, "v1", **{"loop.max_epochs": 12})
    ReleaseStore(store).publish(made.bundle)
    write_learned_half(f"{store}/v1", f"{store}/v0", "v0")
    return made


@pytest.fixture(scope="module")
def served(made, home, store):
    environment = {
        "COTERIE_ADMIN_TOKEN": TOKEN,
        "COTERIE_ATTRIBUTION_S": "2",
        "COTERIE_ROLLOUT_INTERVAL_S": "0.5",
    }
    with serve(made, home, f"{store}/v0", environment) as served:
        yield served


@pytest.fixture(scope="module")
def shop(served):
    return Client(str(served.http.base_url).rstrip("/"), timeout_s=30, token=TOKEN)


@pytest.fixture
def traffic(shop, home):
    with SimulatedTraffic(shop, SimulatedShop.load_world(home / "raw" / "world.npz")) as traffic:
        yield traffic


def test_a_good_release_is_promoted_while_shoppers_go_on(shop, served, traffic, store):
    outcome = roll_out(shop, "v1", "the whole model", traffic)
    assert outcome.phase == "promoted", outcome
    assert outcome.lists > 100
    assert outcome.failed == 0
    await_release(served, "v1")
    await_champion(store, "v1")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_release_is_rolled_back_by_the_right_signal_and_no_request_fails(
    shop, served, traffic, store, fault
):
    write_faulty(f"{store}/v1", fault, f"{store}/v1-{fault}", f"v1-{fault}")
    outcome = roll_out(shop, f"v1-{fault}", fault, traffic)
    assert outcome.phase == "rolled_back", outcome
    assert outcome.why.startswith(CAUGHT_BY[fault]), outcome
    assert outcome.failed == 0
    assert outcome.restored_s < 10.0
    assert ReleaseStore(store).champion() == "v1"
    assert served.list_of("shopper-0001")["release"] == "v1"


def test_a_controller_that_is_killed_comes_back_and_ends_what_it_began(
    shop, served, traffic, store
):
    shutil.rmtree(f"{store}/v2", ignore_errors=True)
    write_copy(f"{store}/v1", f"{store}/v2", "v2")  # as good: nothing else may end it
    body = {"release": "v2", "reason": "a controller is killed", "plan": PLAN}
    shop.post("/v1/admin/rollouts", body)
    await_phase(shop, *RUNNING)
    before = shop.get("/v1/admin/rollouts")["weight"]
    (controller,) = served.family("RolloutController")
    controller.kill()
    assert shop.get("/v1/admin/rollouts")["weight"] >= before  # nothing moves by itself
    assert await_phase(shop, "promoted", "rolled_back", within_s=150) == "promoted"
    assert traffic.failed == 0
    await_release(served, "v2")


def await_release(served, release):
    """Until it alone is live, the one before it may answer for a canary that took too long."""
    wait_until(lambda: served.list_of("shopper-0001")["release"] == release, every=0.2)


def await_champion(store, version):
    """The controller writes it beside its turns."""
    wait_until(lambda: ReleaseStore(store).champion() == version, every=0.1)


def await_phase(shop, *phases, within_s=PATIENCE_S):
    def found():
        phase = shop.get("/v1/admin/rollouts")["phase"]
        return phase if phase in phases else None

    return wait_until(found, within_s, every=0.2)
