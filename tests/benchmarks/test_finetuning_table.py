"""Fine-tuned encoders beside frozen ones: seeds that come later, and other shops' encoders."""

import pytest

from benchmarks.finetuning import with_standing
from benchmarks.finetuning_table import write_finetuning
from coterie.errors import BadInputError


def cell(*seeds, frozen=0.1, cold=None):
    found = {"texts alone": frozen} | ({"cold, texts alone": cold} if cold else {})
    learned = {"frozen": 0.2, "finetuned": 0.3}
    return {
        "frozen": found,
        "rates": {},
        "rate": 0.001,
        "settings": {"lora_rank": 8},
        "seeds": [{"learning": learned, "texts alone": one} for one in seeds],
    }


def test_a_later_seed_stands_behind_those_before():
    found = with_standing(cell(0.11, 0.12, cold=[1, 2]), cell(0.13, cold=[3]), first=2)
    assert [one["texts alone"] for one in found["seeds"]] == [0.11, 0.12, 0.13]
    assert found["frozen"] == {"texts alone": 0.1, "cold, texts alone": [1, 2, 3]}


@pytest.mark.parametrize(
    "stands",
    [
        {},
        cell(0.11),
        cell(0.11, 0.12, frozen=0.2),
        cell(0.11, 0.12) | {"settings": {"lora_rank": 0}},
        cell(0.11, 0.12) | {"rate": 0.1},
    ],
    ids=["none", "fewer", "another encoder", "other settings", "another rate"],
)
def test_seeds_of_something_else_are_not_joined(stands):
    with pytest.raises(BadInputError, match="measure all seeds again"):
        with_standing(stands, cell(0.13), first=2)


def test_a_transfer_has_the_figures_that_it_measured():
    results = {
        "default": {
            "toys": cell(0.11, 0.12, cold=[0.1, 0.1]),
            "transfer": {"toys": {"tools": [{"texts alone": 0.2}, {"texts alone": 0.05}]}},
        }
    }
    for one in results["default"]["toys"]["seeds"]:
        one["cold, texts alone"] = [0.2]
    assert write_finetuning(results).splitlines()[-1] == (
        "| default, learned on tools, toys | NDCG, texts alone | 0.1000 | 0.2000, 0.0500 | "
        "+0.0250 | no |"
    )
