"""The table of graph models: rows in order, with spread, and no rates of what is solved."""

from benchmarks.graph_models_table import write_gaps, write_sets, write_table


def row(known, epoch_s=None):
    found = {"validation": known[0], "known": known, "newcomers": [0.3]}
    return {**found, "lr": 0.02, "epochs": 7, "epoch_s": epoch_s}


RESULTS = {
    "sets": {
        "tiny": {
            "shoppers": 1200,
            "items": 30,
            "events": 4000,
            "ties": 50,
            "epochs_at_most": 9,
            "rows": {
                "social": row([0.1, 0.3], 0.5),
                "gatv2, 1 hop": row([0.2], 1.25),
                "popularity": row([0.1]),
            },
        }
    }
}


def test_rows_stand_in_order_with_their_spread():
    assert write_table(RESULTS).splitlines()[2:] == [
        "| tiny | popularity | 0.1000 | 0.3000 |  |  |  |",
        "| tiny | gatv2, 1 hop | 0.2000 | 0.3000 | 0.02 | 7 | 1.25 |",
        "| tiny | social | 0.2000 ± 0.1414 | 0.3000 | 0.02 | 7 | 0.50 |",
    ]


def test_sets_say_how_large_they_are():
    assert write_sets(RESULTS) == (
        "tiny: 1,200 shoppers, 30 items, 4,000 events to train on, 50 ties, at most 9 epochs"
    )


def test_gaps_are_of_two_hops_over_each_other_model_that_learns():
    sets = {"tiny": {"rows": {**RESULTS["sets"]["tiny"]["rows"], "gatv2, 2 hops": row([0.25])}}}
    assert write_gaps({"sets": sets}) == (
        "- tiny: over gatv2, 1 hop +25 % and +0 %; over social +25 % and +0 %."
    )
