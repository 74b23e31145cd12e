"""The table of a loss of alignment: what was chosen is looked at on test, what was not is not."""

from benchmarks.language_table import write_alignment


def test_only_the_chosen_weight_has_a_figure_on_test():
    rows = {
        "LightGCN": {"validation": 0.2, "test": 0.3, "epochs": 4},
        "LightGCN, aligned with profiles": {"validation": 0.25, "test": 0.31, "epochs": 6},
    }
    found = {"weight": 0.1, "tried": {"0": 0.2, "0.1": 0.25, "1": 0.15}, "rows": rows}
    assert write_alignment({"seeds": {"0": found}}).splitlines()[2:] == [
        "| 0 | LightGCN | none | 4 | 0.2000 | 0.3000 |",
        "| 0 | LightGCN, aligned with profiles | 0.1 | 6 | 0.2500 | 0.3100 |",
        "| 0 | LightGCN, aligned with profiles | 1 | | 0.1500 | |",
    ]
