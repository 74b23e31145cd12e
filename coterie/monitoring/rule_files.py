"""Rules as plain values, and as the files that Prometheus reads."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

RUNBOOK: Final = "docs/runbook.md"
Severity = Literal["page", "ticket"]


@dataclass(frozen=True, slots=True)
class Recording:
    """A series that others are made of."""

    record: str
    expr: str


@dataclass(frozen=True, slots=True)
class Alert:
    """What somebody is told of. ``page``: now; ``ticket``: this working day."""

    name: str
    """Of its section in the runbook too."""
    expr: str
    severity: Severity
    summary: str
    about: str
    hold: str = "0m"
    """How long it has to be so."""

    @property
    def runbook_url(self) -> str:
        """Where it says what to do."""
        return f"{RUNBOOK}#{self.name.lower()}"


@dataclass(frozen=True, slots=True)
class RuleGroup:
    """Rules that are evaluated together, in order; a file of its own."""

    name: str
    rules: Sequence[Recording | Alert]


def as_yaml(group: RuleGroup) -> str:
    """Write a rule file that Prometheus reads.

    >>> print(as_yaml(RuleGroup("g", [Recording("a:b:c", "sum(x)")])), end="")
    groups:
      - name: "g"
        rules:
          - record: "a:b:c"
            expr: "sum(x)"
    """
    lines = ["groups:", f"  - name: {json.dumps(group.name)}", "    rules:"]
    for rule in group.rules:
        lines += _recorded(rule) if isinstance(rule, Recording) else _alerted(rule)
    return "\n".join(lines) + "\n"


def _recorded(rule: Recording) -> list[str]:
    return [f"      - record: {json.dumps(rule.record)}", f"        expr: {json.dumps(rule.expr)}"]


def _alerted(rule: Alert) -> list[str]:
    # JSON's strings are YAML's as well.
    annotations = {
        "summary": rule.summary,
        "description": rule.about,
        "runbook_url": rule.runbook_url,
    }
    return [
        f"      - alert: {json.dumps(rule.name)}",
        f"        expr: {json.dumps(rule.expr)}",
        f"        for: {json.dumps(rule.hold)}",
        "        labels:",
        f"          severity: {json.dumps(rule.severity)}",
        "        annotations:",
        *(f"          {name}: {json.dumps(text)}" for name, text in annotations.items()),
    ]
