"""The page that lists what the chart makes."""

import sys

from chart import CI, OF_REVISION, ROOT
from network import End, may

sys.path.insert(0, str(ROOT / "helm"))
import objects as listed


def test_the_page_is_made_of_the_rendering(chart):
    rendered = chart.objects(CI["production"])
    assert listed.PAGE.read_text() == listed.page(rendered), "run `make chart`"


def test_nothing_is_explained_that_no_example_makes(chart):
    made = {
        (one["kind"], OF_REVISION.sub("-*", one["metadata"]["name"])[len("coterie") :].lstrip("-"))
        for values in CI.values()
        for one in chart.objects(values)
    }
    said = {(kind, part) for kind, parts in listed.PURPOSES.items() for part in parts}
    assert said <= made


def test_a_policy_that_opens_less_shows(chart):
    rendered = chart.objects(CI["production"])
    narrower = chart.objects(CI["production"], "--set", "networkPolicy.apiFrom=null")
    assert set(listed.reach(narrower)) < set(listed.reach(rendered))


def test_names_of_others_are_all_known(chart):
    ends = listed.ours(chart.objects(CI["production"]))
    others = {name for name, end in ends.items() if not listed._ours(end)}
    assert others == listed.ELSEWHERE_NAMES.keys()
    assert may([], End("a"), End("b"), 1)
