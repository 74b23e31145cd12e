"""The recipe "An online store" of CONTRIBUTING, followed for a toy: a file that Feast knows nothing
of."""

from contextlib import closing

import pytest
import yaml
from tiny_shop import write_clean

from coterie.data.locks import PUSH, SQLITE
from coterie.errors import BadInputError
from coterie.schema import SHOPPER_RECENT_VIEW, EventKind
from feature_repo import handover
from feature_repo.handover import SharedStore, hand_over, newest_rows, register
from feature_repo.materialise import materialise
from feature_repo.views import file_of
from serving.events.event import Event
from serving.events.open import open_log
from serving.features.online_store import FeastFeatures
from serving.features.recent import RecentList
from serving.ingestion.sink import Sink
from serving.lists.list_maker import ListMaker
from serving.telemetry.metrics import ServingMetrics
from tests.recipes.toy_store import TYPE
from tests.serving.small_shop import item, write_small_release

LATER_MS = 4_000_000_000_000
"""After every event of the shop."""


# Step 2, feature_repo/handover.py: its entry in EVENT_LOGS.
@pytest.fixture(scope="module", autouse=True)
def followed():
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(handover.EVENT_LOGS, TYPE, frozenset({SQLITE}))
        yield


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("shop")


@pytest.fixture(scope="module")
def shared(home):
    """Step 1, feature_store.yaml: its ``online_store``, registered as the chart's hook does."""
    settings = {
        "project": "coterie",
        "provider": "local",
        "registry": str(home / "registry.db"),
        "offline_store": {"type": "file"},
        "online_store": {"type": TYPE, "path": str(home / "toy.db")},
        "entity_key_serialization_version": 3,
    }
    log = f"sqlite://{home / 'events.sqlite'}"
    shared = SharedStore(str(home / "offline"), yaml.safe_dump(settings), log)
    with shared.open() as store:
        register(store, shared.offline)
    return shared


@pytest.fixture(scope="module")
def handed(home, shared):
    """What the features step hands over."""
    clean, own, known = str(write_clean(home)), str(home / "own"), str(home / "known")
    return materialise(clean, own, known, "v1", shared=shared).handed


@pytest.fixture
def features(home, shared, handed):
    """What serving sees of it."""
    (home / "served").mkdir(exist_ok=True)
    (home / "served" / "feature_store.yaml").write_text(shared.settings)
    return FeastFeatures(str(home / "served"))


@pytest.fixture
def log(shared):
    with closing(open_log(shared.event_log)) as log:
        yield log


@pytest.fixture(scope="module")
def shoppers(shared, handed):
    """The recent items that were handed over, by shopper."""
    rows = newest_rows(file_of(shared.offline, SHOPPER_RECENT_VIEW), SHOPPER_RECENT_VIEW)
    return {row["user_id"]: tuple(row["recent_item_ids"]) for row in rows.to_pylist()}


def test_what_is_handed_over_is_what_lists_are_made_from(handed, features, shoppers, tmp_path):
    assert handed.online.recent == handed.online.ties == len(shoppers)
    for user_id, items in shoppers.items():
        assert features.shopper(user_id).recent.item_ids == items
    ana = next(u for u, items in shoppers.items() if items and features.shopper(u).friends.ids)
    maker = ListMaker(write_small_release(tmp_path / "v1"), features, ServingMetrics())
    listed = maker.recommend(ana, 5, True)
    assert listed.source == "own"
    assert {reason.kind for one in listed.items for reason in one.reasons} >= {"own", "friend"}


def test_the_updater_adds_what_a_shopper_does_and_a_later_snapshot_keeps_it(
    home, shared, features, log, shoppers
):
    ana = next(user for user, items in shoppers.items() if len(items) > 3)
    event = Event("e1", ana, item(119), EventKind.PURCHASE, LATER_MS)
    (receipt,) = Sink(log, features, ServingMetrics()).write([[event]])
    assert receipt.applied
    assert features.shopper(ana).recent.item_ids[0] == item(119)
    again = hand_over(str(home / "own"), shared, "v1")
    assert (again.online.recent, again.online.ties) == (0, 0)
    assert features.shopper(ana).recent.item_ids[0] == item(119)


def test_a_push_of_an_earlier_turn_is_left_alone(features, log):
    with log.lock(PUSH) as stale:
        pass
    with log.lock(PUSH) as newer:
        features.push_recent(["bea"], [RecentList(("new",), (0,), (2,))], newer)
    features.push_recent(["bea"], [RecentList(("old",), (0,), (1,))], stale)
    assert features.shopper("bea").recent.item_ids == ("new",)


def test_a_log_whose_turns_do_not_reach_it_is_refused(shared):
    with pytest.raises(BadInputError, match=f"Expected one of these pairs: .*{TYPE} with sqlite"):
        SharedStore(shared.offline, shared.settings, "redis://elsewhere:6379/0").check()
