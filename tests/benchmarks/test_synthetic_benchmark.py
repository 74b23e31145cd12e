"""What the benchmark of made-up shops says of the order of models."""

from benchmarks.synthetic import order_kept
from benchmarks.synthetic_table import write_orders

NAMES = ("popularity", "ease", "social")


def real(*values):
    return {"ndcg": dict(zip(NAMES, values, strict=True))}


def test_an_order_that_is_kept_has_a_tau_of_one_and_one_turned_round_of_minus_one():
    found = {"0": real(0.1, 0.2, 0.3), "1": {"ndcg": {"popularity": 0.3, "ease": 0.3}}}
    ours = {"popularity": 0.01, "ease": 0.02, "social": 0.03}
    assert order_kept(ours, found, NAMES) == 1
    assert order_kept({name: -value for name, value in ours.items()}, found, NAMES) == -1
    # By the mean of the seeds that a model has: popularity .2, EASE .25.
    assert order_kept(ours, found, NAMES[:2]) == 1


def test_orders_are_told_best_first_beside_the_real_one():
    found = {"copula": {"ndcg": {"ease": 0.1, "sasrec": 0.2}, "tau": -1.0, "tau_quick": 0.6}}
    found["real"] = {"ndcg": {"ease": 0.3, "sasrec": 0.25}}
    assert write_orders({"orders": {"tiny": found}}).splitlines()[2:] == [
        "| tiny | the real shop | 1 | 1 | ease 0.300, sasrec 0.250 |",
        "| tiny | copula | -1.00 | 0.60 | sasrec 0.200, ease 0.100 |",
    ]
