from itertools import pairwise

import pytest
import yaml

from coterie.data.mapping.document import MAX_BYTES, parse_mapping
from coterie.data.mapping.model import ColumnRule
from coterie.errors import BadInputError

GOOD = """
times: none
events:
  - file: ratings.txt
    form: {delimiter: " ", header: false, names: [user, item, rating]}
    columns:
      event_id: {digest: [user, item]}
      user_id: user
      item_id: item
      event: {always: rating}
      value: {from: rating, scale: [0.5, 4]}
ties: none
items: {from: events}
"""


def faults_of(text):
    with pytest.raises(BadInputError) as error:
        parse_mapping(text)
    return str(error.value)


def test_a_mapping_is_read_as_it_is_written():
    mapping = parse_mapping(GOOD)
    (part,) = mapping.events
    assert part.form.delimiter == " "
    assert part.form.names == ("user", "item", "rating")
    assert part.columns["value"] == ColumnRule(columns=("rating",), scale=(0.5, 4.0))
    assert not mapping.times
    assert mapping.ties == ()
    assert mapping.parts("items")[0].columns["title"] == ColumnRule(columns=("item",))


def test_all_faults_are_told_at_once_with_the_nearest_known_word():
    told = faults_of(
        GOOD.replace("times: none", "tims: none")
        .replace("always: rating", "always: rated")
        .replace("scale: [0.5, 4]", "scale: [4, 0.5]")
        .replace("item_id: item", "itm_id: item")
        .replace("ties: none\n", "")
        .replace("delimiter", "delimeter")
    )
    assert "has 7 faults" in told
    for part in (
        "'tims' is unknown, expected some of times, events",
        "events[1].columns: item_id, ts is not given; `times: none` at the top",
        "'itm_id' is unknown",
        "(did you mean item_id?)",
        "'rated' is none of view, click",
        "columns.value.scale is ['4', '0.5']: expected [lowest, highest]",
        "`ties: none` where nobody knows whom",
        "(did you mean delimiter?)",
    ):
        assert part in told, part


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("times: none", "times: nun", "expected given, or none"),
        ("event: {always: rating}", "event: {always: rating, from: x}", "one of from, always"),
        ("event: {always: rating}", "event: {from: x, drop: [y]}", "drop needs words"),
        ("event: {always: rating}", "event: {from: x, by_sign: {minus: return}}", "negative"),
        ("event: {always: rating}", "event: {from: x, missing: skip}", "one of bad, drop"),
        (
            "value: {from: rating,",
            "ts: {from: t, zone: Mars/Base}\n      value: {from: rating,",
            "like Europe/Berlin",
        ),
        ("value: {from: rating,", "ts: t\n      value: {from: rating,", "leave one of them out"),
        ("header: false, names: [user, item, rating]", "header: false", "need names"),
        ("header: false", "header: maybe, encoding: utf8.5", "encoding"),
        ("file: ratings.txt", "file: *.txt", "stands in quotes"),
        ("ties: none", "ties: []", "ties: expected a list of files"),
        ("items: {from: events}", "items: {from: ratings}", "expected `from: events`"),
        ("user_id: user", "user_id: user\n      user_id: item", "more than once"),
        ("file: ratings.txt", "file: []", "expected file:"),
    ],
)
def test_each_fault_has_its_words(old, new, fault):
    assert old in GOOD
    assert fault in faults_of(GOOD.replace(old, new))


@pytest.mark.parametrize("text", ["", "- a", "just text", "events: 5"])
def test_what_is_no_mapping_says_what_one_is(text):
    assert "expected" in faults_of(text)


def test_words_that_yaml_would_take_for_others_stay_words():
    mapping = parse_mapping(
        GOOD.replace(
            "{always: rating}", "{from: x, words: {Yes: purchase, 1: view, 2010-12-01: cart}}"
        )
    )
    words = mapping.events[0].columns["event"].words
    assert words == {"yes": "purchase", "1": "view", "2010-12-01": "cart"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("events: " + "[" * 5000, "nested over 20 levels deep"),
        ("events: " + '{"a":' * 5000, "nested over 20 levels deep"),
        ("\n".join(" " * n + "a:" for n in range(200)), "nested over 20 levels deep"),
        ("events: &a [*a]", "recursive"),
        (f"# {'x' * MAX_BYTES}", "characters, expected up to"),
    ],
    ids=["lists", "mappings", "lines", "itself", "long"],
)
def test_what_no_mapping_is_like_is_one_error(text, told):
    assert told in faults_of(text)


def test_a_few_lines_do_not_stand_for_millions():
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{c}: &{c} [{', '.join([f'*{b}'] * 9)}]" for b, c in pairwise("abcdefghi")]
    assert "100,000 words and lists" in faults_of("\n".join(lines))


def test_an_alias_stands_for_what_it_names():
    text = GOOD.replace("    columns:\n", "    columns: &all\n")
    text = text.replace("ties:", "  - {file: more.txt, columns: *all}\nties:")
    first, second = parse_mapping(text).events
    assert first.columns == second.columns


@pytest.mark.parametrize(
    ("table", "part", "said"),
    [
        ("users", {"leave_out": {"x": ["y"]}}, "no row of users may be left out"),
        ("items", {"leave_out": ["x"]}, "expected a column and words in it"),
        ("items", {"columns": {"price": {"from": "p", "divide": "0"}}}, "a number over 0"),
        ("items", {"columns": {"available": {"from": "p", "by_presence": {"x": "y"}}}}, "given"),
    ],
)
def test_what_is_said_of_rows_and_numbers_is_looked_at(table, part, said):
    columns = {"users": {"user_id": "u"}, "items": {"item_id": "i", "title": "t"}}[table]
    whole = {"file": "a.csv", **part, "columns": columns | part.get("columns", {})}
    with pytest.raises(BadInputError, match=said):
        parse_mapping(yaml.safe_dump({table: [whole]}))


def test_no_events_are_told_with_what_to_do():
    with pytest.raises(BadInputError, match=r"events: expected a list of files .*by a join"):
        parse_mapping("events: []\nties: none\nitems: {from: events}\n")
