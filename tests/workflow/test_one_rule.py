"""One rule from what a person says to the list that is served: learned, measured, released."""

import numpy as np
import pytest

from coterie import workflow
from coterie.data.ingest import ingest
from coterie.data.load import load_dataset
from coterie.data.simulate import ShopConfig, simulate
from coterie.errors import BadInputError
from coterie.release.bundle import load_release
from coterie.release.gate import Limits
from coterie.release.offline import OfflineLists
from coterie.schema import EVENT_KINDS, EventKind
from coterie.workflow.challenger import load_challenger
from coterie.workflow.settings import FitSettings

CONFIG = ShopConfig(
    num_users=300,
    num_items=150,
    num_events=25_000,
    days=150,
    seed=5,
    restocked=("Food",),
    habit=0.8,
)
QUICK = {"loop.max_epochs": 2, "embedding_size": 16}
DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    simulate(CONFIG).write(str(folder / "raw"))
    ingest(str(folder / "raw"), str(folder / "clean"))
    return str(folder / "clean")


@pytest.fixture(scope="module")
def made(clean, tmp_path_factory):
    """A challenger with the rule that was learned, and its release."""
    folder = tmp_path_factory.mktemp("model")
    workflow.fit_challenger(clean, str(folder), FitSettings(config=QUICK))
    release = str(folder / "release")
    workflow.make_release(clean, str(folder), release, "v1", Limits(min_gain_over_popularity=-1.0))
    return str(folder), load_release(release)


def test_the_rule_is_learned_and_goes_into_the_release(made):
    folder, release = made
    rule = load_challenger(folder).repurchase
    assert rule
    assert all(name.split("/")[0] == "Food" for name in rule)
    assert list(rule.values()) == pytest.approx([30] * len(rule), abs=4)
    assert release.manifest.repurchase == rule
    days = release.days_until_again
    food = np.array([c.startswith("Food/") for c in release.catalogue["category"].to_pylist()])
    assert np.isfinite(days[food]).any()
    assert np.isinf(days[~food]).all()


def test_what_was_bought_is_in_the_releases_lists_after_its_days_and_not_before(made, clean):
    _, release = made
    dataset = load_dataset(clean)
    bought = dataset.events.take(dataset.events.kind == EVENT_KINDS.index(EventKind.PURCHASE))
    food = np.isfinite(release.days_until_again[bought.item_idx])
    last = np.flatnonzero(food)[-1]
    user_id = dataset.users.ids[int(bought.user_idx[last])].as_py()
    item_id = dataset.items.ids[int(bought.item_idx[last])].as_py()
    shown = []
    for days in (1, 20, 40):
        lists = OfflineLists(release, dataset, int(bought.ts_ms[last]) + days * DAY_MS)
        shown.append(item_id in {item.item_id for item in lists.recommend(user_id, 150).items})
    assert shown == [False, False, True]


def test_repeat_purchases_are_measured_with_the_challengers_rule(made, clean, tmp_path):
    folder, _ = made
    figures = workflow.evaluate_all(clean, str(tmp_path / "a"), ("popularity", "social"), folder)
    never = str(tmp_path / "never")
    workflow.fit_challenger(clean, never, FitSettings(config=QUICK, repurchase=("never",)))
    assert load_challenger(never).repurchase == {}
    strict = workflow.evaluate_all(clean, str(tmp_path / "b"), ("popularity", "social"), never)
    assert figures.num_shoppers > strict.num_shoppers


def test_a_category_that_the_shop_lacks_is_refused_before_anything_is_fitted(clean, tmp_path):
    settings = FitSettings(config=QUICK, repurchase=("Foood=30",))
    with pytest.raises(BadInputError, match="category 'Foood', which no item has"):
        workflow.fit_challenger(clean, str(tmp_path), settings)
