"""From what columns seem to be to the rules of a mapping, and what a person has to look at."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from coterie.data.mapping.guess import Guess, separator_of
from coterie.data.mapping.look import COMMA, EMPTY, LIST, TIME, ColumnLook, time_formats
from coterie.data.mapping.model import ColumnRule
from coterie.data.mapping.states import (
    event_of_state,
    gone_at,
    kind_of_state,
    left_out,
    not_on_sale,
    state_of,
)
from coterie.data.mapping.values import numbers
from coterie.data.mapping.words import (
    COLUMNS,
    DO_NOT_YET,
    FOLLOW,
    GIVEN_BACK,
    NOT_DONE,
    NOT_SOLD,
    PASSED_OVER,
    TAKEN_BACK,
    TRUST,
    WORDS,
    plain_name,
)
from coterie.schema import TIE_KINDS

_RATINGS: Final = re.compile("rating|overall|score|stars|grade|value", re.IGNORECASE)
_COUNTS: Final = re.compile("quantity|qty|count", re.IGNORECASE)
_GROUPS: Final = re.compile("invoice|order|transaction|session|line|basket", re.IGNORECASE)
"""Columns that tell apart what one person did with one item at one time."""
_CHANGES: Final = re.compile(
    "status|state|fulfil|discount|tax|shipping|total|refund|compareat", re.IGNORECASE
)
"""Columns that a later export may tell anew, which would make another event of the same row."""
_ORDER_NAME: Final = r"^#[A-Za-z-]*\d+[A-Za-z-]*$"
_CURRENCY: Final = re.compile("[$€£¥]|EUR|USD|GBP|CHF|CNY|JPY")
_UNSET: Final = "(not set)"
_MAY_MISS: Final = 0.05
_MOSTLY: Final = 0.2
_MANY_TIMES: Final = 10
_MAY_BE_ODD: Final = 0.02
_DAY_FIRST: Final = re.compile(r"%d(.)%m")
MAX_WORDS: Final = 200


@dataclass(slots=True)
class Rules:
    """The columns of one part of a mapping, as its document has them."""

    columns: dict[str, Any] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    """Notes on what was not certain, by column of the contract, or ``leave_out``."""
    leave_out: dict[str, Any] = field(default_factory=dict)
    undated: bool = False


def rules_of(
    name: str,
    found: Guess,
    looks: Sequence[ColumnLook],
    whole: Callable[[str], pa.Array],
) -> Rules:
    """Write the rules of one file.

    Args:
        name: Of the file.
        found: What it seems to be.
        looks: Its columns.
        whole: Gives the distinct values of a column in the whole file.
    """
    by_name = {look.name: look for look in looks}
    rules = Rules()
    columns = {role: by_name[column] for role, column in found.roles.items()}
    for role, look in columns.items():
        rules.columns[role] = rule_of(role, look, rules, whole)
    price = columns.get("price")
    if price is not None and (odd := _odd_prices(rules.columns["price"], price)) > _MAY_BE_ODD:
        del rules.columns["price"]
        rules.notes["price"] = f"{odd:.0%} of {price.name} are no numbers, so it is not taken"
    title = columns.get("title")
    if found.table == "items" and title is not None and title.missing:
        rules.columns["title"] = {"from": [title.name, columns["item_id"].name]}
        rules.notes["title"] = f"{title.missing:.0%} of the rows have none: the id stands for it"
    if found.table == "events":
        _of_events(name, columns, rules, whole, looks)
        _other_people(columns["user_id"], rules, looks)
    elif found.table == "items":
        rules.leave_out = left_out(looks, state_of(looks, whole, NOT_SOLD), whole, NOT_SOLD)
        rules.leave_out |= not_on_sale(looks, whole)
    elif found.table == "ties":
        rules.leave_out = left_out(looks, None, whole)
    elif found.table == "users":
        _of_people(rules, looks)
    if rules.leave_out:
        rules.notes["leave_out"] = "rows that count no more, as far as these columns tell"
    if "kind" in columns:
        strange = sorted(set(whole(columns["kind"].name).to_pylist()) - set(TIE_KINDS))
        if strange:
            rules.notes["kind"] = f"not known: {', '.join(strange[:20])}: give each a kind in words"
    elif found.table == "ties":
        kind = "trust" if TRUST.search(name) else "follow" if FOLLOW.search(name) else "friend"
        rules.columns["kind"] = {"always": kind}
        rules.notes["kind"] = "by the file's name; friend goes both ways, follow and trust one"
        if state := state_of(looks, whole, DO_NOT_YET):
            rules.columns["kind"], rules.notes["kind"] = kind_of_state(state, whole, kind)
    return rules


def rule_of(role: str, look: ColumnLook, rules: Rules, whole: Callable[[str], pa.Array]) -> Any:
    """Write the rule of one column of the contract that one of the file becomes.

    Args:
        role: The contract's column.
        look: The file's.
        rules: Where notes go.
        whole: Gives the distinct values of a column in the whole file.
    """
    rule: dict[str, Any] = {"from": look.name}
    if role in ("ts", "since", "created_at") and look.type == TIME:
        rule |= _time(role, look, rules, whole)
    if look.type == COMMA and role in ("value", "price", "weight"):
        rule["decimal"] = ","
    if role == "price" and look.type not in (COMMA, LIST):
        rule |= _currency(look)
    if role == "price" and plain_name(look.name).endswith("cents"):
        rule["divide"] = 100
    if _UNSET in look.values.unique().to_pylist():
        rule["empty"] = [_UNSET]
    if role == "category" and (mark := separator_of(look)) not in (None, "/"):
        rule["separator"] = mark
    if role in ("category", "image_uri") and _share_of(look, ",") > _MOSTLY:
        rule["first"] = ","
    if role == "description" and look.type == LIST:
        rule["separator"] = " "
    if role == "tags" and look.type == LIST:
        rule["separator"] = ", "
    if role in ("user_id", "item_id") and look.missing > _MAY_MISS:
        rule["missing"] = "drop"
        rules.notes[role] = (
            f"{look.missing:.0%} of the rows have none: they are left out and counted"
        )
    if role == "user_id" and _are_guests(look):
        rule |= {"empty": ["0"], "missing": "drop"}
        rules.notes[role] = "0 is taken for guests, who are left out and counted"
    if role == "user_id" and any("@" in example for example in look.examples):
        rules.notes[role] = (
            "these look like addresses of people, which reasons would show: a number is better"
        )
    if role == "available" and look.type != "yes or no":
        rule["by_sign"] = {"negative": "no", "zero": "no", "positive": "yes"}
    return look.name if len(rule) == 1 else rule


def _share_of(look: ColumnLook, mark: str) -> float:
    found = pc.mean(pc.match_substring(look.values, mark).cast(pa.float64())).as_py()
    return float(found or 0.0)


def _are_guests(look: ColumnLook) -> bool:
    """Tell whether 0 is nobody's number: many more rows have it than have another."""
    share = pc.mean(pc.equal(look.values, "0").cast(pa.float64())).as_py() or 0.0
    return bool(share > 0.01 and share * look.distinct > _MANY_TIMES)


def _time(
    role: str, look: ColumnLook, rules: Rules, whole: Callable[[str], pa.Array]
) -> dict[str, Any]:
    """Choose the form of times; where two fit, the whole file decides, or a person."""
    formats = look.formats
    if len(formats) > 1:
        formats = time_formats(whole(look.name)) or formats
    if not formats:
        return {}
    if len(formats) > 1:
        example = look.examples[0]
        rules.notes[role] = (
            f"day or month first? {example} fits {' and '.join(formats)}: choose one"
        )
    return {"format": formats[0]}


def _currency(look: ColumnLook) -> dict[str, Any]:
    """Find currency signs and commas between thousands in prices, as in ``$1,299.00``."""
    text = " ".join(look.examples)
    marks = "".join(sorted(set("".join(_CURRENCY.findall(text)))))
    found: dict[str, Any] = {}
    if marks:
        found["strip"] = marks
    if re.search(r",\d{1,2}(?!\d)", text):
        found["decimal"] = ","
        if any("." in value for value in look.values.unique().to_pylist()):
            found["thousands"] = "."
    elif re.search(r"\d,\d{3}", text) and "." in text:
        found["thousands"] = ","
    return found


def _odd_prices(rule: Any, look: ColumnLook) -> float:
    """Measure the share of prices that the rule cannot read: ranges, words, what a page left."""
    given = rule if isinstance(rule, dict) else {}
    read = ColumnRule(
        decimal=given.get("decimal", "."),
        thousands=given.get("thousands", ""),
        strip=given.get("strip", ""),
        empty=tuple(given.get("empty", ())),
    )
    _, wrong = numbers(read, look.values)
    return float((len(wrong) - wrong.null_count) / max(len(wrong), 1))


def _of_events(
    name: str,
    columns: dict[str, ColumnLook],
    rules: Rules,
    whole: Callable[[str], pa.Array],
    looks: Sequence[ColumnLook],
) -> None:
    rules.undated = "ts" not in columns
    state = None if "event" in columns else state_of(looks, whole, NOT_DONE | GIVEN_BACK)
    rules.leave_out = left_out(looks, state if state and state.missing else None, whole)
    if "event" in columns:
        rules.columns["event"] = _words(columns["event"], rules, whole)
    elif "value" in columns and _COUNTS.search(columns["value"].name):
        _of_counts(columns["value"], rules)
    elif "value" in columns and _is_rating(name, columns["value"]):
        _of_ratings(columns["value"], rules)
        rules.leave_out, state = {}, None
    elif "text" in columns:
        rules.columns["event"] = {"always": "review"}
    else:
        rules.columns["event"] = {"always": "purchase"}
        rules.notes["event"] = "the file does not tell what happened: taken for purchases"
    if state and not state.missing and rules.columns["event"] == {"always": "purchase"}:
        rules.columns["event"], rules.notes["event"] = event_of_state(state, whole)
    if "event_id" in columns and not columns["event_id"].is_unique:
        del rules.columns["event_id"]
    if "event_id" not in rules.columns:
        _digest(columns, rules, looks)
    first = {key: rules.columns[key] for key in ("event_id", "user_id", "item_id", "event")}
    rules.columns = first | {k: v for k, v in rules.columns.items() if k not in first}


def _of_people(rules: Rules, looks: Sequence[ColumnLook]) -> None:
    """Keep out of others' lists who left the shop, where no column tells what they consent to."""
    gone = gone_at(looks)
    for role in ("may_be_used", "may_be_named"):
        if gone is not None and role not in rules.columns:
            rule = {"from": gone.name, "by_presence": {"given": "no", "empty": "yes"}}
            rules.columns[role] = rule
            rules.notes[role] = "who left the shop is in nobody's list; erasing takes out all rows"


def _other_people(look: ColumnLook, rules: Rules, looks: Sequence[ColumnLook]) -> None:
    """Let another id stand in where many rows lack a person's, as a browser's."""
    if look.missing <= _MAY_MISS:
        return
    for other in looks:
        known = plain_name(other.name) in COLUMNS["events"]["user_id"]
        if known and other is not look and other.missing < look.missing / 2:
            rules.columns["user_id"] = {"from": [look.name, other.name]}
            rules.notes["user_id"] = (
                f"{look.missing:.0%} of the rows have no {look.name}: {other.name} stands in, as "
                "another person; `{from: ..., missing: drop}` leaves them out instead"
            )
            return


def _is_rating(name: str, look: ColumnLook) -> bool:
    return bool(_RATINGS.search(look.name) or _RATINGS.search(name))


def _words(look: ColumnLook, rules: Rules, whole: Callable[[str], pa.Array]) -> dict[str, Any]:
    """Write the rule of the event's kind: the shop's words as ours, and which nobody knows."""
    said = sorted(whole(look.name).to_pylist())
    known = {word: str(WORDS[plain_name(word)]) for word in said if plain_name(word) in WORDS}
    drop = [word for word in said if plain_name(word) in TAKEN_BACK | PASSED_OVER]
    unknown = [word for word in said if word not in known and word not in drop]
    rule: dict[str, Any] = {"from": look.name, "words": known}
    if drop:
        rule["drop"] = drop
    if unknown:
        rules.notes["event"] = (
            f"not known: {', '.join(unknown[:20])}: give each a kind in words, or name it in drop"
        )
    return rule


def _of_counts(look: ColumnLook, rules: Rules) -> None:
    if look.bounds[0] < 0:
        rules.columns["event"] = {
            "from": look.name,
            "by_sign": {"negative": "return", "positive": "purchase"},
        }
        rules.columns["value"] = {"from": look.name, "absolute": "yes"}
        rules.notes["event"] = "a count below 0 is taken for a return"
    else:
        rules.columns["event"] = {"always": "purchase"}


def _of_ratings(look: ColumnLook, rules: Rules) -> None:
    low, high = look.bounds
    numbers = look.numbers()
    rule: dict[str, Any] = {"from": look.name}
    rules.columns["event"] = {"always": "rating"}
    if low == 0 and high > 5 and (numbers == 0).mean() > 0.2:
        rules.columns["event"] = {
            "from": look.name,
            "by_sign": {"zero": "view", "positive": "rating"},
        }
        rule["empty"] = ["0"]
        low = float(numbers[numbers > 0].min())
        rules.notes["event"] = "0 is taken for interest without a rating"
    if not 4 < high <= 5:
        top = next((most for most in (1, 4, 5, 10, 20, 100) if high <= most), high)
        bottom = 1.0 if top >= 10 and low >= 1 else low
        rule["scale"] = [_plain(bottom), _plain(top)]
        rules.notes["value"] = (
            f"from {low:g} to {high:g} as far as was seen; the scale's ends become 1 and 5, and "
            "from 3 on an item is liked"
        )
    if look.type == COMMA:
        rule["decimal"] = ","
    rules.columns["value"] = look.name if len(rule) == 1 else rule


def _digest(columns: dict[str, ColumnLook], rules: Rules, looks: Sequence[ColumnLook]) -> None:
    names = [
        columns[role].name
        for role in ("user_id", "item_id", "event", "ts", "value", "text")
        if role in columns
    ]
    groups = [look.name for look in looks if _tells_apart(look)]
    names += [name for name in groups if name not in names]
    rules.columns["event_id"] = {"digest": names}


def _tells_apart(look: ColumnLook) -> bool:
    """Tell whether a column may belong to an event's id: what it says is said for good."""
    if plain_name(look.name) == "name":
        return bool(pc.all(pc.match_substring_regex(look.values, _ORDER_NAME)).as_py())
    named = _GROUPS.search(look.name) and not _CHANGES.search(plain_name(look.name))
    return bool(named and look.type not in (EMPTY, LIST))


def _plain(number: float) -> float | int:
    return int(number) if number == int(number) else number
