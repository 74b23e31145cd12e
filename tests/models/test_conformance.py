"""Every model of the house, through every check of the conformance suite."""

import pytest
from conformance import CHECKS, Case

from coterie.models import MODELS
from coterie.training.loop import LoopConfig

SHORT = ("loop", LoopConfig(max_epochs=20, lr=2e-2, patience=20))
LIGHTGCN = (("embedding_size", 16), ("batch_size", 256), ("negatives", 64), SHORT)
# No two steps hide alike, so that a step in half precision would be another step.
SEQUENCES = (("embedding_size", 32), ("batch_size", 32), ("dropout", 0.0), ("max_history", 12))
SEQUENCES = (*SEQUENCES, ("loop", LoopConfig(max_epochs=8, lr=1e-2)))
GATV2 = (
    *(("embedding_size", 16), ("batch_size", 32), ("own_items", 16)),
    *(("friends", 4), ("items", 8), ("buyers", 2)),
    ("loop", LoopConfig(max_epochs=10, lr=3e-2, patience=10)),
)
SOCIAL = (("embedding_size", 16), SHORT)

CASES = (
    Case("popularity", "popularity", personal=False),
    Case("item_knn", "item_knn", (("neighbours", 20), ("block", 50))),
    Case("ease", "ease", (("l2", 20.0),)),
    Case(
        "content",
        "content",
        (
            ("parts", ("ease", "popular", "walk", "next")),
            ("weights", (1.0, 0.05, 0.2, 0.4)),
            ("l2", 20.0),
        ),
    ),
    Case("lightgcn", "lightgcn", LIGHTGCN, closed_form=False),
    Case(
        "lightgcn with ties",
        "lightgcn",
        (*LIGHTGCN, ("use_ties", True)),
        social=True,
        closed_form=False,
    ),
    Case("gru4rec", "gru4rec", SEQUENCES, closed_form=False),
    Case("sasrec", "sasrec", SEQUENCES, closed_form=False),
    Case("gatv2", "gatv2", GATV2, social=True, closed_form=False),
    Case("hgt", "hgt", GATV2, social=True, closed_form=False),
    Case("social_linear", "social_linear", (("l2", 2.0),), social=True),
    Case(
        "social_linear, dislikes take away",
        "social_linear",
        (("l2", 2.0), ("dislike_weight", 0.5)),
        social=True,
    ),
    Case(
        "social, learned half alone",
        "social",
        (*SOCIAL, ("linear_weight", 0.0)),
        social=True,
        closed_form=False,
    ),
    Case("social", "social", SOCIAL, social=True, closed_form=False),
    Case(
        "social of two heads, short histories of friends count for less",
        "social",
        (*SOCIAL, ("heads", 2), ("least_friend_history", 3.0)),
        social=True,
        closed_form=False,
    ),
    Case(
        "social, friends for newcomers alone",
        "social",
        (*SOCIAL, ("friends_for_cold_start_only", True)),
        social=True,
        closed_form=False,
    ),
    Case(
        "social, dislikes take away",
        "social",
        (*SOCIAL, ("dislike_weight", 0.5)),
        social=True,
        closed_form=False,
    ),
    Case(
        "bounded, nothing hidden",
        "bounded",
        (("epsilon", None), ("noise_seed", 0), ("friend_weight", 0.5)),
        social=True,
    ),
    Case("social without ties", "social", (*SOCIAL, ("use_ties", False)), closed_form=False),
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_model(case, check):
    check(case)


def test_every_model_of_the_house_is_a_case():
    assert {case.model_name for case in CASES} == set(MODELS)
