"""Selectors of labels and of fields."""

import re
from typing import Any

_SET = re.compile(r"\s*(\S+)\s+(in|notin)\s+\(([^)]*)\)\s*")


def fits(one: Any, labels: str, fields: str) -> bool:
    return labels_fit(one["metadata"].get("labels") or {}, labels) and all(
        _field_fits(one, part) for part in fields.split(",") if part
    )


def labels_fit(labels: dict[str, str], text: str) -> bool:
    return all(_label_fits(labels, part) for part in re.split(r",(?![^(]*\))", text) if part)


def _label_fits(labels: dict[str, str], part: str) -> bool:
    if match := _SET.fullmatch(part):
        values = [value.strip() for value in match[3].split(",")]
        return (labels.get(match[1]) in values) is (match[2] == "in")
    if "!=" in part:
        name, value = part.split("!=")
        return labels.get(name.strip()) != value.strip()
    if "=" in part:
        name, value = re.split("==?", part)
        return labels.get(name.strip()) == value.strip()
    return (part.strip("! ") in labels) is not part.strip().startswith("!")


def _field_fits(one: Any, part: str) -> bool:
    name, value = re.split("!=|==?", part)
    found: Any = one
    for step in name.split("."):
        found = (found or {}).get(step)
    return (str(found or "") == value) is ("!=" not in part)


def selector_fits(labels: dict[str, str], selector: Any) -> bool:
    """A LabelSelector of an object, or the plain labels of a Service's."""
    if "matchLabels" not in selector and "matchExpressions" not in selector:
        return selector.items() <= labels.items()
    return (selector.get("matchLabels") or {}).items() <= labels.items() and all(
        _expression_fits(labels, one) for one in selector.get("matchExpressions", ())
    )


def _expression_fits(labels: dict[str, str], one: Any) -> bool:
    there, operator = labels.get(one["key"]), one["operator"]
    if operator in ("Exists", "DoesNotExist"):
        return (there is not None) is (operator == "Exists")
    return (there in one["values"]) is (operator == "In")
