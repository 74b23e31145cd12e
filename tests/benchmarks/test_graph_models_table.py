"""The table of graph models: rows in order, with spread, and no rates of what is solved."""

from benchmarks.graph_models_table import (
    write_blend,
    write_estimates,
    write_gaps,
    write_sets,
    write_table,
)


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
    assert write_gaps(RESULTS) == "", "two hops were not measured yet"


def test_what_a_network_adds_is_told_seed_by_seed():
    one = {"shoppers": 1200, "alone": 0.2, "gain": 0.01, "interval": [-0.01, 0.03]}
    other = {**one, "alone": 0.3, "gain": -0.02, "shares": [0.0, 0.0]}
    seeds = [{"known": found, "newcomers": other} for found in ({**one, "shares": [0.3, 0]}, other)]
    assert write_blend({"sets": {"tiny": {"hgt, 2 hops": seeds}}}).splitlines()[2] == (
        "| tiny, with a history | hgt, 2 hops | 1,200 | 0.2500 ± 0.0707 | +0.0100; -0.0200 "
        "| -0.0100 to +0.0300; -0.0100 to +0.0300 | 0.3, 0; 0, 0 |"
    )


def test_estimates_are_told_by_number_of_steps():
    one = {"gap_median": 0.002, "gap_worst_tenth": 0.01, "rank": 0.75, "same_first": 0.6}
    one |= {"falls": 1.2, "falls_check": 1.1, "falls_chance": 0.1, "cpu_s": 0.04}
    rows = write_estimates({"models": {"hgt": {"steps": {"32": one, "8": one}}}}).splitlines()[2:]
    assert rows[0] == "| hgt | 8 | 0.20 % | 1.00 % | 0.75 | 60 % | 1.200 | 1.100 | 0.100 | 40 |"
    assert rows[1].startswith("| hgt | 32 |")
