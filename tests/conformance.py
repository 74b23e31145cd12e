"""What every model must do, whatever it is: the same checks for all, on planted data."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from synthetic import ITEMS_A_BLOCK, NUM_BLOCKS, NUM_ITEMS, NUM_USERS, Planted, planted

from coterie.data.dataset import Interactions, TrainingSet
from coterie.data.polarity import turned_down
from coterie.errors import BadInputError
from coterie.evaluation.item_sets import ItemSets
from coterie.evaluation.protocols import evaluate_model, rank
from coterie.fitting.dataset_file import digest
from coterie.models import MODELS, Learned, Model
from coterie.schema import EVENT_KINDS

KINDS = {kind.value: code for code, kind in enumerate(EVENT_KINDS)}


@dataclass(frozen=True)
class Case:
    """A model in one setting, and what can be asked of it."""

    name: str
    model_name: str
    settings: tuple[tuple[str, Any], ...] = ()
    personal: bool = True
    """Lists differ from shopper to shopper."""
    social: bool = False
    """Ties change the lists, and carry those who have nothing else."""
    closed_form: bool = True
    """Computed, not learned: equal data give equal scores, in whatever order they come."""

    def model(self) -> Any:
        """A new one, not fitted."""
        return MODELS[self.model_name](MODELS[self.model_name].config_class(**dict(self.settings)))

    def __str__(self) -> str:
        return self.name


@cache
def shop() -> Planted:
    """The planted shop, one for all."""
    return planted()


@cache
def fitted(case: Case) -> Any:
    """A case's model, fitted once for all checks."""
    model = case.model()
    model.fit(shop().data)
    return model


def in_block(case: Case, users: np.ndarray) -> float:
    """Share of the ten items listed that are of their shoppers' blocks."""
    lists = top_ten(fitted(case), shop().data, users)
    return shop().share_in_block(lists, users)


def top_ten(model: Any, data: TrainingSet, users: np.ndarray) -> np.ndarray:
    """Best ten items by score, the seen ones masked."""
    seen = np.zeros((data.num_users, data.num_items), bool)
    seen[data.interactions.user_idx, data.interactions.item_idx] = True
    scores = np.where(seen[users], -np.inf, model.scores(users))
    return np.argsort(-scores, axis=1, kind="stable")[:, :10]


def keeps_the_protocol(case: Case) -> None:
    assert isinstance(case.model(), Model)
    assert case.model().name == case.model_name


def scores_every_item_for_every_shopper(case: Case) -> None:
    users = np.arange(NUM_USERS)
    scores = fitted(case).scores(users)
    assert scores.shape == (NUM_USERS, NUM_ITEMS)
    assert scores.dtype == np.float32
    assert np.isfinite(scores).all()
    assert fitted(case).scores(users[:0]).shape == (0, NUM_ITEMS)


def beats_popularity_by_a_wide_margin(case: Case) -> None:
    if not case.personal:
        pytest.skip("the same list for everybody")
    users = shop().experienced
    popular = top_ten(fitted(Case("popularity", "popularity")), shop().data, users)
    assert in_block(case, users) > shop().share_in_block(popular, users) + 0.4
    ours, theirs = (
        evaluate_model(model, shop().data, shop().held_out, ks=(10,)).metrics["ndcg@10"].mean()
        for model in (fitted(case), fitted(Case("popularity", "popularity")))
    )
    assert ours > 2 * theirs


def the_same_seed_gives_the_same_scores(case: Case) -> None:
    again = case.model()
    again.fit(shop().data)
    users = np.arange(NUM_USERS)
    np.testing.assert_array_equal(again.scores(users), fitted(case).scores(users))


def a_shopper_scores_alike_alone_and_in_any_company(case: Case) -> None:
    users = np.array([40, 3, 0, 100, 3])
    together = fitted(case).scores(users)
    alone = np.concatenate([fitted(case).scores(users[i : i + 1]) for i in range(len(users))])
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)


def a_newcomer_with_friends_gets_their_taste_from_social_models_only(case: Case) -> None:
    share = in_block(case, shop().newcomers)
    assert share > 0.6 if case.social else share < 0.5


def ties_matter_to_social_models_only(case: Case) -> None:
    lonely = case.model()
    lonely.fit(shop().data.without_ties())
    users = np.arange(NUM_USERS)
    same = np.array_equal(lonely.scores(users), fitted(case).scores(users))
    assert same is not case.social


def refuses_to_score_before_it_is_fitted(case: Case) -> None:
    with pytest.raises(BadInputError, match="fit"):
        case.model().scores(np.array([0]))


def refuses_rows_that_are_no_users(case: Case) -> None:
    for row in (-1, NUM_USERS):
        with pytest.raises(BadInputError, match=str(row)):
            fitted(case).scores(np.array([0, row]))


def refuses_to_learn_from_nothing(case: Case) -> None:
    nothing = shop().data.interactions.take(np.zeros(0, np.int64))
    with pytest.raises(BadInputError):
        case.model().fit(replace(shop().data, interactions=nothing, validation=None))


def leaves_the_training_set_as_it_was(case: Case) -> None:
    data = planted().data
    before = digest(data)
    case.model().fit(data)
    assert digest(data) == before


def never_looks_at_what_follows(case: Case) -> None:
    """Validation may stop the learning, but what is computed from it is nothing."""
    if not case.closed_form:
        pytest.skip("stops early on validation")
    blind = case.model()
    blind.fit(replace(shop().data, validation=None))
    users = np.arange(NUM_USERS)
    np.testing.assert_array_equal(blind.scores(users), fitted(case).scores(users))


def renaming_items_renames_the_scores(case: Case) -> None:
    if not case.closed_form:
        pytest.skip("starts from random item vectors")
    new_row = np.random.default_rng(1).permutation(NUM_ITEMS)
    seen = shop().data.interactions
    renamed = case.model()
    renamed.fit(replace(shop().data, interactions=replace(seen, item_idx=new_row[seen.item_idx])))
    users = np.arange(0, NUM_USERS, 7)
    np.testing.assert_allclose(
        renamed.scores(users)[:, new_row], fitted(case).scores(users), rtol=1e-3, atol=1e-5
    )


def the_order_and_number_of_equal_events_do_not_matter(case: Case) -> None:
    if not case.closed_form:
        pytest.skip("draws its batches from the events in their order")
    seen = shop().data.interactions
    order = np.random.default_rng(2).permutation(len(seen))
    twice = Interactions.concat(seen.take(order), seen.take(order[:50]))
    shuffled = case.model()
    shuffled.fit(replace(shop().data, interactions=twice))
    users = np.arange(0, NUM_USERS, 7)
    np.testing.assert_allclose(
        shuffled.scores(users), fitted(case).scores(users), rtol=1e-4, atol=1e-5
    )


def what_it_learned_can_be_carried_to_another_process(case: Case) -> None:
    model = fitted(case)
    if not isinstance(model, Learned):
        pytest.skip("learns no parameters")
    trainee = model.trainee(shop().data, torch.device("cpu"))
    other = model.trainee(shop().data, torch.device("cpu"))
    with torch.no_grad():
        for parameter in trainee.parameters():
            parameter.add_(0.01)
    other.load_state_dict(trainee.state_dict())
    first, second = case.model(), case.model()
    first.adopt(trainee, shop().data)
    second.adopt(other, shop().data)
    users = np.arange(0, NUM_USERS, 7)
    np.testing.assert_array_equal(first.scores(users), second.scores(users))
    assert not np.array_equal(first.scores(users), model.scores(users))


def a_step_in_half_precision_goes_the_same_way(case: Case) -> None:
    """As on a GPU, where a factor in half precision beside one in full may not be multiplied."""
    model = fitted(case)
    if not isinstance(model, Learned):
        pytest.skip("learns no parameters")
    steps = []
    for half in (False, True):
        trainee = model.trainee(shop().data, torch.device("cpu"))
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            loss = trainee(trainee.batch(0, 0, 0, 1))
        loss.backward()
        steps.append(torch.cat([p.grad.flatten() for p in trainee.parameters()]))
    assert torch.nn.functional.cosine_similarity(*steps, dim=0) > 0.98


def learning_is_watched(case: Case) -> None:
    if case.closed_form:
        pytest.skip("done at once")
    seen: list[int] = []
    case.model().fit(shop().data, lambda what, done, total: seen.append(done))
    assert seen == list(range(1, len(fitted(case).history.epochs) + 1))


def reasons_add_up_to_the_scores(case: Case) -> None:
    model = fitted(case)
    if not hasattr(model, "recommender"):
        pytest.skip("gives no reasons")
    users = np.concatenate([shop().experienced[:20], shop().newcomers[:5], shop().strangers[:2]])
    shoppers = model.shoppers(users)
    lists = model.recommender.recommend(shoppers, 10)
    for row, reasons in enumerate(model.recommender.explain(shoppers, lists)):
        shown = lists.item_idx[row] >= 0
        sums = [sum(reason.contribution for reason in of_item) for of_item in reasons]
        np.testing.assert_allclose(
            sums[: shown.sum()], lists.score[row][shown], rtol=1e-3, atol=1e-3
        )


def its_lists_are_its_scores_in_order(case: Case) -> None:
    model = fitted(case)
    users = shop().experienced[:30]
    if not hasattr(model, "lists"):
        pytest.skip("has no lists of its own")
    np.testing.assert_array_equal(model.lists(users, 10), top_ten(model, shop().data, users))


@cache
def disliking() -> TrainingSet:
    """The planted shop, where experienced shoppers also turned down items of the next block: they
    rated or reviewed them badly, did not want them, or sent them back."""
    data, rng = shop().data, np.random.default_rng(4)
    users = shop().experienced.repeat(4)
    blocks = (shop().user_block[users] + 1) % NUM_BLOCKS
    items = blocks * ITEMS_A_BLOCK + rng.integers(0, ITEMS_A_BLOCK, len(users))
    known = np.unique(data.interactions.user_idx * NUM_ITEMS + data.interactions.item_idx)
    if data.validation is not None:
        later = data.validation.user_idx * NUM_ITEMS + data.validation.item_idx
        known = np.union1d(known, later)
    new = ~np.isin(users * NUM_ITEMS + items, known)
    users, items = users[new], items[new]
    # As early as anything, so that no age changes.
    start = np.full(len(users), data.interactions.ts_ms.min())
    bought = rng.random(len(users)) < 0.3
    kinds = np.array([KINDS[kind] for kind in ("rating", "review", "dislike", "return")], np.int8)
    kind = np.where(bought, KINDS["return"], rng.choice(kinds, len(users))).astype(np.int8)
    nobody, one = np.full(len(users), -1), np.ones(len(users), np.float32)
    bad = Interactions(users, items, kind, one, start, nobody)
    before = replace(bad, kind=np.full(len(users), KINDS["purchase"], np.int8)).take(bought)
    turned_down = Interactions.concat(before, bad)
    return replace(data, interactions=Interactions.concat(turned_down, data.interactions))


def dislike_weight(case: Case) -> float:
    return float(dict(case.settings).get("dislike_weight", 0.0))


def what_was_turned_down_is_no_like(case: Case) -> None:
    """Without a weight it is as if nothing had been done; with one, what is like it falls."""
    users, models = np.arange(NUM_USERS), [case.model(), case.model()]
    for model, data in zip(models, (shop().data, disliking()), strict=True):
        # A list does not show what was turned down, so validation asks other things.
        model.fit(replace(data, validation=None))
    before, after = (model.scores(users) for model in models)
    if not dislike_weight(case):
        np.testing.assert_array_equal(after, before)
        return
    known = shop().experienced
    steps = (shop().item_block - shop().user_block[known][:, None]) % NUM_BLOCKS
    change = (after - before)[known]
    assert change[steps == 1].mean() < change[steps > 1].mean() - 0.05 * before.std()


def what_was_turned_down_is_not_shown(case: Case) -> None:
    model, data = case.model(), disliking()
    model.fit(data)
    users = shop().experienced
    lists = rank(model, users, ItemSets.hidden(data), NUM_ITEMS)
    shown = users[:, None] * NUM_ITEMS + lists
    bad = data.interactions.take(turned_down(data.interactions))
    assert len(bad) > len(users)
    assert not np.isin(bad.user_idx * NUM_ITEMS + bad.item_idx, shown[lists >= 0]).any()


def reasons_of_who_dislikes_add_up_as_well(case: Case) -> None:
    model = fitted(case)
    if not hasattr(model, "recommender"):
        pytest.skip("gives no reasons")
    model = case.model()
    model.fit(disliking())
    users = np.concatenate([shop().experienced[:20], shop().newcomers[:5]])
    shoppers = model.shoppers(users)
    lists = model.recommender.recommend(shoppers, 10)
    against = 0
    for row, reasons in enumerate(model.recommender.explain(shoppers, lists)):
        sums = [sum(reason.contribution for reason in of_item) for of_item in reasons]
        np.testing.assert_allclose(sums, lists.score[row], rtol=1e-3, atol=1e-3)
        against += sum(reason.against for of_item in reasons for reason in of_item)
    assert (against > 0) is (dislike_weight(case) > 0)


CHECKS: tuple[Callable[[Case], None], ...] = (
    keeps_the_protocol,
    scores_every_item_for_every_shopper,
    beats_popularity_by_a_wide_margin,
    the_same_seed_gives_the_same_scores,
    a_shopper_scores_alike_alone_and_in_any_company,
    a_newcomer_with_friends_gets_their_taste_from_social_models_only,
    ties_matter_to_social_models_only,
    refuses_to_score_before_it_is_fitted,
    refuses_rows_that_are_no_users,
    refuses_to_learn_from_nothing,
    leaves_the_training_set_as_it_was,
    never_looks_at_what_follows,
    renaming_items_renames_the_scores,
    the_order_and_number_of_equal_events_do_not_matter,
    what_it_learned_can_be_carried_to_another_process,
    a_step_in_half_precision_goes_the_same_way,
    learning_is_watched,
    reasons_add_up_to_the_scores,
    its_lists_are_its_scores_in_order,
    what_was_turned_down_is_no_like,
    what_was_turned_down_is_not_shown,
    reasons_of_who_dislikes_add_up_as_well,
)
