import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from coterie import workflow
from coterie.data.circle import AS_SERVED, EVERYBODY, Circle
from coterie.data.ingest import ingest
from coterie.data.load import load_dataset
from coterie.data.simulate import ShopConfig, simulate
from coterie.errors import BadInputError
from coterie.evaluation.protocols import evaluate_model
from coterie.evaluation.results import Comparison
from coterie.models.social import SocialModel
from coterie.models.social_config import SocialConfig
from coterie.models.social_trainee import SocialTrainee
from coterie.recommend.batches import Community
from coterie.release.bundle import load_release
from coterie.release.learned_until import until_of
from coterie.release.offline import OfflineLists, _as_release_sees
from coterie.workflow.challenger import load_challenger, load_parameters
from coterie.workflow.config_values import flatten
from coterie.workflow.settings import FitSettings, change
from coterie.workflow.shop import CleanShop

SETTINGS = FitSettings(config={"loop.max_epochs": 4, "embedding_size": 16})


def make_shop(folder, seed=7):
    simulate(ShopConfig(num_users=150, num_items=100, num_events=6000, days=60, seed=seed)).write(
        folder / "raw"
    )
    ingest(str(folder / "raw"), str(folder / "clean"))
    return str(folder / "clean")


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """Several threads add up in any order, and what is compared here is meant to the last digit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return make_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="module")
def model(clean, tmp_path_factory):
    out = str(tmp_path_factory.mktemp("model"))
    workflow.fit_challenger(clean, out, SETTINGS)
    return out


@pytest.fixture
def winner(model, tmp_path):
    """The challenger with figures that win, whatever four epochs on a tiny shop come to."""
    copy = tmp_path / "winner"
    copy.mkdir()
    (copy / "parameters.safetensors").write_bytes(parameters_of(model).read_bytes())
    known = json.loads(challenger_of(model).read_text())
    known["validation"]["ndcg@20"] = known["popularity"]["ndcg@20"] * 2
    challenger_of(copy).write_text(json.dumps(known))
    return str(copy)


def challenger_of(folder):
    return Path(folder) / "challenger.json"


def parameters_of(folder):
    return challenger_of(folder).with_name("parameters.safetensors")


def test_a_challenger_remembers_what_it_was_fitted_with(clean, model):
    known = load_challenger(model)
    assert known.model == "social"
    assert known.config["embedding_size"] == 16
    assert 1 <= known.best_epoch <= 4
    assert known.data_fingerprint == load_dataset(clean).fingerprint
    assert change(SocialConfig(), flatten(known.config)) == SETTINGS.configure()


def test_a_release_carries_the_figures_it_was_made_by(clean, winner, tmp_path):
    evaluation = str(tmp_path / "evaluation")
    comparison = workflow.evaluate_all(clean, evaluation, ["popularity", "social"], winner)
    made = workflow.make_release(
        clean, winner, str(tmp_path / "v1"), version="v1", evaluation=evaluation
    )
    metrics = made.manifest.metrics
    assert metrics["validation"] == load_challenger(winner).validation
    assert metrics["test"]["ndcg@20"] == comparison.mean("social", "ndcg@20")
    assert made.manifest.metrics["circle"] == AS_SERVED.as_json()
    times = CleanShop.open(clean).split.for_test().interactions.ts_ms / 86_400_000
    assert np.quantile(times, 0.98) < until_of(metrics) < times.max()
    assert made.manifest.limits["min_gain_over_popularity"] == 0.02
    for name, tensor in load_parameters(winner).items():
        assert torch.equal(made.parameters[name], tensor)


def test_figures_are_of_lists_as_they_are_served_beside_those_of_all_friends(
    clean, winner, tmp_path
):
    def compare(challenger):
        out = str(tmp_path / "evaluation")
        return workflow.evaluate_all(clean, out, ["popularity", "social"], challenger)

    found = compare(winner)
    assert found.circle == load_challenger(winner).circle == AS_SERVED.as_json()
    assert set(found.models) == {"popularity", "social", "social_all_friends"}
    assert found.best_baseline == "popularity"
    assert Comparison.load(tmp_path / "evaluation" / "comparison.json") == found
    groups = {group.label: group for group in found.groups["unnamed friends"]}
    assert set(groups) == {"none", "1-2", "3+"}
    for label, group in groups.items():
        served, everybody = group.models["social"], group.models["social_all_friends"]
        assert (served == everybody) is (label != "1-2")
    price = found.discretion["ndcg@20"]
    assert price.ours == found.mean("social", "ndcg@20")
    assert price.other == found.mean("social_all_friends", "ndcg@20")
    known = json.loads(challenger_of(winner).read_text())
    del known["circle"]  # as one of before it was written down
    challenger_of(winner).write_text(json.dumps(known))
    before = compare(winner)
    assert before.mean("social") == found.mean("social_all_friends")
    assert not before.circle
    assert not before.discretion
    assert "social_all_friends" not in before.models


def test_validation_is_of_lists_as_they_are_served(clean, model, tmp_path):
    known = load_challenger(model)
    fitted = SocialModel(SETTINGS.configure())
    figures = {}
    for rule in (AS_SERVED, EVERYBODY):
        data = CleanShop.open(clean, known.repurchase_setting(), rule=rule).split.for_validation()
        fitted.fit(data)
        figures[rule] = evaluate_model(fitted, data, data.validation).means()
    assert figures[AS_SERVED] == known.validation != figures[EVERYBODY]


def test_a_model_learns_of_all_friends_and_is_chosen_for_lists_as_they_are_served(clean):
    data = CleanShop.open(clean, rule=AS_SERVED).split.for_validation()
    trainee = SocialTrainee(SETTINGS.configure(), data, torch.device("cpu"))
    learned, chosen = trainee.community.friends.person, trainee.served.friends.person
    assert np.array_equal(chosen, Community.of(data).friends.person)
    assert np.array_equal(learned, Community.of(data.with_all_friends()).friends.person)
    assert len(chosen) < len(learned)


def test_a_challenger_no_better_than_popularity_is_not_released(clean, winner, tmp_path):
    known = json.loads(challenger_of(winner).read_text())
    known["validation"]["ndcg@20"] = known["popularity"]["ndcg@20"]
    challenger_of(winner).write_text(json.dumps(known))
    with pytest.raises(BadInputError, match="not over popularity"):
        workflow.make_release(clean, winner, str(tmp_path / "v1"))
    assert not (tmp_path / "v1").exists()


def test_a_challenger_of_other_data_is_neither_released_nor_compared(winner, tmp_path):
    other = make_shop(tmp_path, seed=8)
    with pytest.raises(BadInputError, match="other data"):
        workflow.make_release(other, winner, str(tmp_path / "v1"))
    with pytest.raises(BadInputError, match="other data"):
        workflow.evaluate_all(other, str(tmp_path / "evaluation"), ["social"], winner)


def test_a_model_for_comparison_cannot_be_released(clean, tmp_path):
    out = str(tmp_path / "model")
    known = workflow.fit_challenger(clean, out, FitSettings("ease"))
    assert known.best_epoch == 0
    with pytest.raises(
        BadInputError, match=r"only the social or bounded model|not over popularity"
    ):
        workflow.make_release(clean, out, str(tmp_path / "v1"))


@pytest.mark.parametrize("elsewhere", [False, True])
def test_training_goes_on_where_it_was_interrupted(clean, model, tmp_path, elsewhere):
    first = out = str(tmp_path / "model")
    checkpoints = ""
    if elsewhere:  # a pipeline's next run writes to another folder
        first, checkpoints = str(tmp_path / "broken off"), str(tmp_path / "states")

    def interrupt(_, done, total):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        workflow.fit_challenger(clean, first, SETTINGS, interrupt, checkpoints=checkpoints)
    with pytest.raises(BadInputError, match="train one"):
        load_challenger(first)
    told = []
    workflow.fit_challenger(
        clean, out, SETTINGS, lambda *told_: told.append(told_), checkpoints=checkpoints
    )
    assert told[0][1] == 3
    for name, tensor in load_parameters(model).items():
        assert torch.equal(load_parameters(out)[name], tensor), name


def test_other_settings_in_the_same_folder_start_anew(clean, model):
    told = []
    settings = FitSettings(config={"loop.max_epochs": 1, "embedding_size": 8})
    workflow.fit_challenger(clean, model, settings, lambda *told_: told.append(told_))
    assert told[0][1] == 1
    assert load_parameters(model)["item_in"].shape == (100, 8)
    workflow.fit_challenger(clean, model, SETTINGS)


def test_offline_lists_are_those_of_the_model_on_the_same_events(clean, winner, tmp_path):
    release = workflow.make_release(clean, winner, str(tmp_path / "v1"))
    dataset = load_dataset(clean)
    data = _as_release_sees(release.items, dataset)
    # Served lists draw on fewer friends than there are; so do those that are measured.
    circle = Circle.of(AS_SERVED, dataset.people)
    fitted = SocialModel(SETTINGS.configure())
    # What it learned from says what is popular; lists are of all events.
    fitted.use(load_parameters(winner), CleanShop.open(clean).split.for_test())
    fitted.serve(replace(data, circle=circle))
    users = np.arange(0, len(dataset.users), 10)
    lists = OfflineLists(load_release(str(tmp_path / "v1")), dataset)
    hidden = set(np.flatnonzero(~release.available).tolist())
    expected = fitted.lists(users, 60)
    for user, row in zip(dataset.users.to_ids(users), expected.tolist(), strict=True):
        shown = [item.item_id for item in lists.recommend(user, 10).items]
        wanted = [item for item in row if item >= 0 and item not in hidden][:10]
        assert shown == release.items.to_ids(np.array(wanted))


def test_who_does_not_want_to_be_named_is_not(clean, winner, tmp_path):
    release = workflow.make_release(clean, winner, str(tmp_path / "v1"))
    dataset = load_dataset(clean)
    lists = OfflineLists(release, dataset)
    people = dataset.people.to_pylist()
    unnamed = {person["user_id"] for person in people if not person["may_be_named"]}
    assert unnamed
    reasons = [
        reason
        for user in dataset.users.ids.to_pylist()[:100]
        for item in lists.recommend(user, 3).items
        for reason in item.reasons
        if reason.kind == "friend"
    ]
    named = {reason.user_id for reason in reasons}
    assert None in named
    assert len(named) > 10
    assert not named & unnamed


@pytest.mark.parametrize(
    ("model_name", "changes", "says"),
    [
        ("gpt", {}, "no model 'gpt'"),
        ("social", {"size": 3}, "no field 'size'"),
        ("social", {"embedding_size": "many"}, "expected a value like 128"),
        ("social", {"loop.speed": 1.0}, "no field 'speed'"),
        ("ease", {"loop.max_epochs": 3}, "no field 'loop'"),
        ("social", {"use_ties": 1}, "expected a value like True"),
    ],
)
def test_settings_that_do_not_exist_are_refused_by_name(model_name, changes, says):
    with pytest.raises(BadInputError, match=says):
        FitSettings(model_name, changes).configure()
