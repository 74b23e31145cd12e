"""The table of published forms in the documentation is the one that was measured."""

import json

from benchmarks.any_export import BEGIN, END, PAGE, RESULTS, table_of
from benchmarks.published_forms import FORMS


def test_the_table_in_the_documentation_is_what_was_measured():
    results = json.loads(RESULTS.read_text())
    assert set(results["forms"]) == set(FORMS)
    table = PAGE.read_text().split(BEGIN)[1].split(END)[0]
    assert table.strip() == table_of(results).strip()


def test_each_form_led_to_lists_that_are_better_than_popularity():
    for name, run in json.loads(RESULTS.read_text())["forms"].items():
        assert run["ndcg"]["social"]["low"] > run["ndcg"]["popularity"]["high"], name
