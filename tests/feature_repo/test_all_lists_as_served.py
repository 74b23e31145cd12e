"""Lists of all shoppers at once are those that serving answers with, from what the features step
left; by whichever way they are made."""

from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pytest
import torch

from components.recommend import recommend
from coterie.all_lists.output import read_lists
from coterie.data.circle import CircleRule
from coterie.data.load import load_dataset
from coterie.errors import BadInputError
from coterie.reasons.discretion import Discretion
from coterie.recommend.encoder import Encoder, unit
from coterie.recommend.rules import NO_RULES, read_rules
from coterie.release.bundle import Release, ReleaseContent, write_release
from coterie.schema import EVENT_KINDS
from coterie.workflow.all_lists import AllListsSettings, list_everyone
from coterie.workflow.publish import publish
from serving.features.online_store import FakeFeatures, FeastFeatures
from serving.lists.list_maker import ListMaker
from serving.lists.wanted import Wanted
from serving.telemetry.metrics import ServingMetrics

K = 7
RULES = """
rules:
  - {rule: pin, items: ["%s"], position: 2}
  - {rule: at_most, number: 2, of: category, within: 5}
  - {rule: diversity, weight: 0.3}
  - {rule: freshness, by: 0.5, days: 30}
"""


class Shop(NamedTuple):
    folder: str
    """Of a release that knows most items, of which some come back and some are sold out."""
    release: Release
    features: FakeFeatures
    """What the online store answers of everybody."""
    clean: str
    store: str


@pytest.fixture(scope="module")
def shop(filled, tmp_path_factory):
    dataset = load_dataset(str(filled.clean))
    folder = str(tmp_path_factory.mktemp("releases") / "v1")
    online, ids = FeastFeatures(str(filled.store)), dataset.users.ids.to_pylist()
    features = FakeFeatures(
        dict(zip(ids, online.recent_lists(ids), strict=True)),
        dict(zip(ids, online.friends_of(ids), strict=True)),
    )
    release = write_random_release(folder, dataset.catalogue.slice(6))
    return Shop(folder, release, features, str(filled.clean), str(filled.store))


def write_random_release(folder, items):
    num, rng = len(items), np.random.default_rng(4)
    torch.manual_seed(4)
    encoder = Encoder()
    with torch.no_grad():
        encoder.strength.normal_()
    near = torch.from_numpy(rng.integers(0, num, num * 3)).int()
    powers = {name: torch.tensor(0.5, dtype=torch.float64) for name in POWERS}
    parameters = {
        "item_in": torch.randn(num, 8),
        "item_out": unit(torch.randn(num, 8)),
        "item_bias": torch.randn(num) * 0.3,
        "inverse_temperature": torch.tensor(6.0),
        "popularity_weight": torch.tensor(0.2),
        **{f"encoder.{name}": p.detach().clone() for name, p in encoder.named_parameters()},
        **{f"linear.{name}": torch.randn(num, 5) * 0.3 for name in ("own", "friend", "out")},
        "linear.near": torch.rand(num * 3),
        "linear.near_item": near,
        "linear.near_offsets": torch.arange(num + 1) * 3,
        "linear.kind": torch.rand(len(EVENT_KINDS), dtype=torch.float64),
        **{f"linear.{name}": power for name, power in powers.items()},
    }
    available = pa.array(rng.random(num) > 0.2)
    place = items.column_names.index("available")
    content = ReleaseContent(
        version="v1",
        parameters=parameters,
        catalogue=items.set_column(place, "available", available),
        popularity=rng.integers(0, 40, num).astype(np.float32),
        metrics={},
        data_fingerprint="tiny",
        limits={},
        repurchase={"*": 20.0},
    )
    return write_release(folder, content)


POWERS = ("rate", "friend_power", "history_power")


def served(shop, rule, rules):
    maker = ListMaker(
        shop.release, shop.features, ServingMetrics(), discretion=Discretion(circle=rule)
    )
    wanted = Wanted(rules=rules)
    answers = [maker.recommend(user, K, False, wanted) for user in sorted(shop.features.recent)]
    return [
        {
            "user_id": answer.user_id,
            "item_ids": [one.item.item_id for one in answer.items],
            "scores": [one.score for one in answer.items],
            "source": answer.source,
            "release": answer.release,
        }
        for answer in answers
    ]


@pytest.mark.parametrize("source", ["features", "clean"])
@pytest.mark.parametrize(
    ("rule", "ruled"),
    [
        (CircleRule(), False),
        (CircleRule(min_people=1), True),
        (CircleRule(min_people=2, one_sided=False), False),
    ],
    ids=["as it is set", "all friends, under rules", "mutual friends"],
)
def test_everybodys_lists_are_the_served_ones(shop, tmp_path, source, rule, ruled):
    text = RULES % shop.release.items.ids[3].as_py() if ruled else ""
    (tmp_path / "rules.yaml").write_text(text)
    settings = AllListsSettings(K, str(tmp_path / "rules.yaml") if ruled else "", rule)
    given = {"features": shop.store} if source == "features" else {"clean": shop.clean}
    out = str(tmp_path / "lists")
    made = list_everyone(shop.folder, out, settings, **given)
    found = read_lists(out).to_pylist()
    assert made.shoppers == len(found) == len(shop.features.recent)
    assert found == served(shop, rule, read_rules(text, "rules") if ruled else NO_RULES)


def test_what_is_compared_is_not_the_same_for_everybody(shop):
    """Or equal lists would show little: there are people who may not be named, one-sided ties,
    items that the release lacks, and lists of each source."""
    lists = served(shop, CircleRule(min_people=1), NO_RULES)
    assert {one["source"] for one in lists} >= {"own", "friends"}
    rough = [one for one in lists if one["scores"][0] == float(f"{one['scores'][0]:.1e}")]
    assert 0 < len(rough) < len(lists)
    mutual = [both for friends in shop.features.friends.values() for both in friends.mutual]
    assert not all(mutual)
    assert any(mutual)
    other = served(shop, CircleRule(min_people=2, one_sided=False), NO_RULES)
    assert other != lists
    known = set(shop.release.items.ids.to_pylist())
    assert any(set(one.item_ids) - known for one in shop.features.recent.values())


def test_the_step_of_the_pipeline_takes_the_champion_and_whom_lists_draw_on(
    shop, tmp_path, monkeypatch
):
    store, home = (
        str(tmp_path / "releases"),
        SimpleNamespace(path=str(tmp_path / "out"), metadata={}),
    )
    given = {"store": store, "listed": "champion", "offline": shop.store, "lists": ""}
    given |= {"list_length": K, "list_rules": ""}
    with pytest.raises(BadInputError, match="holds no release yet"):
        recommend.python_func(home, **given)
    with pytest.raises(BadInputError, match="need release_store"):
        recommend.python_func(home, **{**given, "store": ""})
    publish(shop.folder, store)
    monkeypatch.setenv("COTERIE_LIST_MIN_PEOPLE", "1")
    recommend.python_func(home, **given)
    assert read_lists(home.path).to_pylist() == served(shop, CircleRule(min_people=1), NO_RULES)
    assert home.metadata == {"release": "v1", "shoppers": len(shop.features.recent), "files": 1}
