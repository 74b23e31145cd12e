"""A shop of people who do not exist: tables that ingest and train take, like the real ones."""

import json
from dataclasses import replace

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from coterie.cli import main
from coterie.data.dataset import Ties
from coterie.data.ingest import ingest
from coterie.data.load import load_dataset
from coterie.data.simulate import ShopConfig, simulate
from coterie.data.splits import choose
from coterie.errors import BadInputError
from coterie.fitting.fit import fit
from coterie.synthesis.likeness import as_source, compare_shops, nearness
from coterie.synthesis.settings import GENERATORS, SynthesisSettings
from coterie.synthesis.shop import LEARNERS, learn_shop
from coterie.synthesis.source import SourceShop, had_matrix
from coterie.workflow.synthesise import synthesise

CONFIG = ShopConfig(num_users=300, num_items=100, num_events=10_000, unused=0.05, days=60)


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    folder = tmp_path_factory.mktemp("synthesis")
    simulate(CONFIG).write(folder / "raw")
    ingest(str(folder / "raw"), str(folder / "clean"))
    return folder / "clean"


@pytest.fixture(scope="module")
def source(clean):
    return SourceShop.of(load_dataset(str(clean)))


@pytest.fixture(scope="module")
def made(clean):
    out = clean.parent / "made"
    assert main(["synthesise", str(clean), "--out", str(out), "--seed", "3"]) == 0
    return out


def test_ingest_takes_what_was_made_up_and_models_learn_of_it(made):
    again = made.parent / "made-clean"
    assert main(["ingest", str(made), "--out", str(again)]) == 0
    report = json.loads((again / "ingest.json").read_text())
    assert report["reasons"] == {}
    whole = load_dataset(str(again))
    kept = ("events", "ties", "catalogue")
    assert all(len(getattr(whole, name)) for name in kept)
    fitted = fit(choose(whole).for_test(), "ease")
    assert np.isfinite(fitted.scores(np.arange(5))).all()


def test_nobody_of_the_real_shop_is_in_it(made, clean):
    real = load_dataset(str(clean)).users
    for table, columns in {
        "events": ("user_id", "referrer_user_id"),
        "ties": ("src_user_id", "dst_user_id"),
        "users": ("user_id",),
    }.items():
        rows = pq.read_table(made / f"{table}.parquet")
        for name in columns:
            assert not (real.rows(rows[name]) >= 0).any(), (table, name)
    card = json.loads((made / "synthesis.json").read_text())
    assert card["rows"]["users"] == pq.read_table(made / "users.parquet").num_rows
    assert "shopper-" not in (made / "synthesis.json").read_text()


def test_people_who_may_not_be_used_are_not_learned_from(clean, source):
    dataset = load_dataset(str(clean))
    usable = pc.sum(dataset.people["may_be_used"]).as_py()
    assert source.num_people == usable < len(dataset.users)


def test_the_same_seed_makes_the_same_people(source):
    settings = [SynthesisSettings(seed=seed) for seed in (1, 1, 2)]
    # To find how alike people of ties are takes most of the time.
    alone = replace(source, ties=Ties.none())
    drawn = [learn_shop(alone, one).draw(50, np.random.default_rng(one.seed)) for one in settings]
    items = [one.events.item_idx.tolist() for one in drawn]
    assert items[0] == items[1] != items[2]


def test_a_made_up_shop_is_like_the_real_one(source):
    model = learn_shop(source, SynthesisSettings())
    made = as_source(model.draw(source.num_people, np.random.default_rng(0)), source)
    found = compare_shops(source, made)
    assert max(found["columns"][name] for name in ("wanted", "beside", "follows")) < 0.15
    assert found["shares"]["kinds"] < 0.05
    assert found["shares"]["days"] < 0.25
    real, ours = found["network"]
    assert ours["ties"] == pytest.approx(real["ties"], rel=0.1)
    assert ours["returned"] == pytest.approx(real["returned"], abs=0.1)
    assert ours["transitivity"] == pytest.approx(real["transitivity"], abs=0.08)
    assert ours["likeness_of_ties"] > ours["likeness_of_strangers"] + 0.05
    assert found["together"]["correlation"] > 0.3
    near = nearness(source, made)
    assert near["copies"] <= 0.02
    assert near["nearest"] > 0.85 * near["nearest_real"]


def test_columns_alone_tell_of_nobody_whom_they_are_like(source):
    model = learn_shop(source, SynthesisSettings(generator="columns"))
    made = as_source(model.draw(source.num_people, np.random.default_rng(0)), source)
    found = compare_shops(source, made)
    assert found["columns"]["wanted"] < 0.15
    real, ours = found["network"]
    lift = ours["likeness_of_ties"] - ours["likeness_of_strangers"]
    assert abs(lift) < 0.1 * (real["likeness_of_ties"] - real["likeness_of_strangers"])


def test_the_simulator_makes_shops_of_as_many_items(source):
    settings = SynthesisSettings(generator="simulator", tastes=3)
    made = learn_shop(source, settings).draw(200, np.random.default_rng(0))
    assert made.num_people == 200
    assert 0 < len(made.ties) == len({*zip(made.ties.src_idx, made.ties.dst_idx, strict=True)})
    assert made.events.item_idx.max() < source.num_items
    wanted = had_matrix(as_source(made, source)).sum() / 200
    assert wanted == pytest.approx(had_matrix(source).sum() / source.num_people, rel=0.25)


def test_critics_bend_what_the_copula_draws(source):
    settings = SynthesisSettings(generator="adversarial", steps=3, tastes=3)
    model = learn_shop(source, settings)
    group = np.zeros(50, np.int64)
    bent, again = (model.sampler.draw(group, np.random.default_rng(0)) for _ in range(2))
    assert np.array_equal(bent, again)
    apart = np.abs(bent - model.sampler.copula.draw(group, np.random.default_rng(0)))
    # More than what float32 rounds.
    assert 1e-5 < apart.max() < 3
    made = model.draw(200, np.random.default_rng(0))
    assert made.num_people == 200 < len(made.events)


def test_names_that_can_be_typed_are_those_that_there_are():
    assert {*GENERATORS} == {*LEARNERS, "simulator"}


def test_what_makes_no_sense_is_refused(clean, made, tmp_path):
    with pytest.raises(BadInputError, match="is there already: name a new folder"):
        synthesise(str(clean), str(made))
    with pytest.raises(BadInputError, match="no generator 'gan'"):
        SynthesisSettings(generator="gan")
    with pytest.raises(BadInputError, match="tastes is 1 or more"):
        SynthesisSettings(tastes=0)
    with pytest.raises(BadInputError, match=r"ingest\.json"):
        synthesise(str(tmp_path), str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()
