"""The file of a shop's rules: what is taken, and the one error of what is not."""

import pytest

from coterie.errors import BadInputError
from coterie.recommend.rules import (
    MAX_BYTES,
    Cap,
    Diversity,
    Freshness,
    Label,
    Lift,
    Pin,
    Selection,
    read_rules,
    read_rules_file,
)

WHOLE = """
rules:
  - {rule: pin, items: [a, 12], position: 3, label: sponsored, surfaces: home}
  - {rule: boost, category: Home/Kitchen, by: 0.5}
  - {rule: bury, brand: [Acme, Zeta], by: 1}
  - {rule: at_most, number: 2, of: brand, within: 10, surfaces: [home, cart]}
  - {rule: diversity, weight: 0.3, surfaces: [home]}
  - {rule: freshness, by: 0.4, days: 30}
"""


def test_a_file_says_what_holds_where():
    rules = read_rules(WHOLE, "rules.yaml")
    kitchen = Lift(Selection(categories=("Home/Kitchen",)), 0.5)
    brands = Lift(Selection(brands=("Acme", "Zeta")), -1.0)
    fresh = Freshness(0.4, 30.0)
    assert rules.at("home") == (
        Pin(("a", "12"), 3, Label.SPONSORED),
        *(kitchen, brands, Cap(2, "brand", 10), Diversity(0.3), fresh),
    )
    assert rules.at("cart") == (kitchen, brands, Cap(2, "brand", 10), fresh)
    assert rules.at("product") == (kitchen, brands, fresh)


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "rules:\n", "rules: []"])
def test_a_file_without_rules_has_none(text):
    assert read_rules(text, "rules.yaml").at("home") == ()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("rules: [", "rules.yaml, line 1 is no YAML"),
        ("rule: []", "expected `rules:`"),
        ("[1, 2]", "expected `rules:`"),
        ("rules: 3", "not a list"),
        ("rules: [3]", "rule 1 is 3, expected `rule:` with one of pin, boost"),
        ("rules: [{rule: push}]", "with one of pin, boost, bury, at_most, diversity, freshness"),
        ("rules: [{rule: [pin]}]", "rule 1 is"),
        ("rules: [{rule: pin}]", "rule 1 (pin) has no `items`"),
        ("rules: [{rule: pin, item: [a]}]", "has `'item'`, expected are items, position"),
        ("rules: [{rule: pin, items: []}]", "names 0, expected 1 to 200"),
        ("rules: [{rule: pin, items: [a, a]}]", "names an id twice"),
        ("rules: [{rule: pin, items: [true]}]", "holds True, expected text"),
        ("rules: [{rule: pin, items: [a], position: 0}]", "is 0, expected a whole number from 1"),
        ("rules: [{rule: pin, items: [a], position: 1.5}]", "is 1.5, expected a whole number"),
        ("rules: [{rule: pin, items: [a, b], position: 100}]", "goes beyond position 100"),
        ("rules: [{rule: pin, items: [a], label: friend}]", "expected sponsored or shop"),
        ("rules: [{rule: pin, items: [a]}, {rule: pin, items: [b]}]", "two items to one position"),
        (
            "rules: [{rule: pin, items: [a]}, {rule: pin, items: [a], position: 2}]",
            "two items to one position, or one to two",
        ),
        ("rules: [{rule: boost, by: 1}]", "needs `by`, and `items`, `category` or `brand`"),
        ("rules: [{rule: boost, brand: x}]", "needs `by`"),
        ("rules: [{rule: boost, brand: x, by: -1}]", "is -1, expected 0 to 10"),
        ("rules: [{rule: boost, brand: x, by: .nan}]", "is nan, expected 0 to 10"),
        ("rules: [{rule: boost, brand: x, by: '1'}]", "is '1', expected a number"),
        ("rules: [{rule: bury, brand: x, by: 1, label: shop}]", "has `'label'`"),
        ("rules: [{rule: at_most, number: 2}]", "has no `of`"),
        ("rules: [{rule: at_most, number: 2, of: colour}]", "expected brand or category"),
        ("rules: [{rule: diversity}]", "has no `weight`"),
        (
            "rules: [{rule: diversity, weight: 1}, {rule: diversity, weight: 2}]",
            "has diversity twice for home",
        ),
        ("rules: [{rule: pin, items: [a], surfaces: [shelf]}]", "not among home, product, cart"),
        ("rules: [{rule: pin, rule: bury}]", "a key stands twice"),
        ("rules: [&a {rule: pin}, *a]", "an alias, which is not taken"),
        (f"rules: {'[' * 5000}", "nested over 20 levels deep"),
        (f"# {'x' * MAX_BYTES}", "bytes, expected fewer"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_one_error_that_says_where(text, told):
    with pytest.raises(BadInputError) as raised:
        read_rules(text, "rules.yaml")
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 300


def test_a_file_that_cannot_be_read_is_an_error_that_names_it(tmp_path):
    with pytest.raises(BadInputError, match=r"gone\.yaml: No such file"):
        read_rules_file(str(tmp_path / "gone.yaml"))
    (tmp_path / "odd.yaml").write_bytes(b"\xff\xfe")
    with pytest.raises(BadInputError, match="no UTF-8"):
        read_rules_file(str(tmp_path / "odd.yaml"))
