"""How a rollout looks in a terminal of 80 columns."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from coterie.cli.figures_view import figures_table
from coterie.rollout.api import stage_status

BAR: Final = 8
WIDE_BAR: Final = 36
SHORT: Final = 12
LAST: Final = 3
_MARKS: Final = {"done": "✓", "present": "▶", "ahead": "·", "stopped": "✗"}
_STYLES: Final = {"done": "green", "present": "bold cyan", "ahead": "dim", "stopped": "bold red"}
_LEVELS: Final = {"good": "green", "open": "cyan", "bad": "bold red", "unknown": "dim"}


def rollout_status(told: Mapping[str, Any], trouble: str = "") -> RenderableType:
    """Draw how a rollout stands: stages, arms, signals and what happens next.

    Args:
        told: What ``GET /v1/admin/rollouts`` answers.
        trouble: Why there is nothing newer.
    """
    parts: list[RenderableType] = [_head(told), _track(told), Text(), _arms(told)]
    exceeded = _exceeded(told)
    if exceeded:
        parts += [Text(), figures_table(exceeded)]
    if told["signals"]:
        parts += [Text(), _signals(told)]
    parts += [Text(), _line("next", told["next_step"], "bold")]
    for digest, why in told["quarantine"].items():
        parts.append(_line("quarantine", f"{_called(digest, told['versions'])}: {why}"))
    parts += [_line(_clock(one["at"]), _happened(one), "dim") for one in told["last"][:LAST]]
    if trouble:
        parts.append(_line("no answer", trouble, "bold red"))
    return Group(*parts)


def history(told: Mapping[str, Any]) -> RenderableType:
    """Draw the audit log as a table, newest first."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("when", "to", "canary", "weight", "by"):
        table.add_column(name, no_wrap=True)
    table.add_column("why", ratio=1)
    versions = told["versions"]
    for one in told["transitions"]:
        table.add_row(
            f"{datetime.fromtimestamp(one['at']):%m-%d %H:%M:%S}",
            one["after"].replace("_", " "),
            Text(clean(_called(one["canary"], versions))),
            _percent(one["weight"]),
            Text(clean(by(one))[:12]),
            Text(clean(one["why"])),
        )
    return table


def by(transition: Mapping[str, Any]) -> str:
    """Say by whom or what a transition came: a person, a signal, or another cause.

    An app of the version before says no cause.
    """
    cause = transition.get("cause")
    if cause in (None, "command"):
        return str(transition["who"])
    return str(transition["signal"] or cause)


def clean(text: str) -> str:
    """Blank out what would move a terminal's cursor."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _exceeded(told: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Find what exceeds its limit in preflight; an app of the version before compares nothing."""
    compared = told.get("comparison") or {"figures": []}
    return [one for one in compared["figures"] if one["verdict"] in ("bad", "overridden")]


def _head(told: Mapping[str, Any]) -> Text:
    line = Text("rollout  ", style="dim")
    return line.append(clean(told["where"]), style="bold")


def _track(told: Mapping[str, Any]) -> Text:
    line = Text()
    for stage in told["track"]:
        status = stage_status(stage)
        # No break within a name: "1" and "%" belong together.
        name = stage["name"].replace(" ", "\N{NO-BREAK SPACE}")
        line.append(f"{_MARKS[status]}\N{NO-BREAK SPACE}{name}", style=_STYLES[status])
        line.append("  ")
    line.rstrip()
    return line


def _arms(told: Mapping[str, Any]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    samples, weight = told["samples"], told["weight"]
    for arm, share, style in (("stable", 1 - weight, "green"), ("canary", weight, "yellow")):
        release = told[arm]
        if release is None:
            table.add_row(Text(arm, style="dim"), Text("none", style="dim"))
            continue
        name = clean(release["version"] or "")
        had = f"{samples[arm]:,} samples" if told["canary"] else ""
        table.add_row(
            Text(arm, style="dim"),
            Text(f"{name} {release['digest'][:SHORT]}".strip(), style="bold"),
            Text(_percent(share), justify="right"),
            _bar(share, WIDE_BAR // 2, style),
            "mirrored" if arm == "canary" and told["mirrored"] else had,
        )
    return table


def _signals(told: Mapping[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("signal", min_width=10)  # the one that gives way where columns are few
    for name in ("canary", "stable"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("ratio, and where it lies", no_wrap=True)
    table.add_column("limit", justify="right", no_wrap=True)
    table.add_column("e-value", no_wrap=True)
    for signal in told["signals"]:
        table.add_row(
            Text(clean(signal["name"]).replace("_", " "), style=_LEVELS[signal["level"]]),
            _rate(signal["canary"]),
            _rate(signal["stable"]),
            _ratio(signal),
            f"{'≤' if signal['worse'] == 'more' else '≥'} {signal['limit']:.3g}",
            _evidence(signal),
        )
    return table


def _ratio(signal: Mapping[str, Any]) -> str:
    if signal["ratio"] is None:
        return "-"
    low, high = signal["interval"]
    return f"{signal['ratio']:.2f}  {low:.2f} to {high:.2f}"


def _evidence(signal: Mapping[str, Any]) -> Text:
    text = _bar(signal["progress"], BAR, _LEVELS[signal["level"]])
    return text.append(f" {_short(signal['e_value'])} of {signal['rolls_back_at']:.0f}")


def _short(e_value: float) -> str:
    if e_value >= 1000:
        return f"{e_value:.0e}".replace("e+0", "e").replace("e+", "e")
    return f"{e_value:.0f}" if e_value >= 10 else f"{e_value:.1f}"


def _bar(share: float, width: int, style: str) -> Text:
    filled = min(round(share * width), width)
    # What is there at all is seen.
    filled = max(filled, 1) if share > 0 else filled
    text = Text("█" * filled, style=style)
    return text.append("░" * (width - filled), style="dim")


def _rate(counts: list[int]) -> str:
    samples, events = counts
    return f"{100 * events / samples:.2f} %" if samples else "-"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _line(name: str, text: str, style: str = "") -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(ratio=1)
    table.add_row(Text(name, style="dim"), Text(clean(text), style=style))
    return table


def _happened(one: Mapping[str, Any]) -> str:
    weight = f" at {_percent(one['weight'])}" if one["weight"] else ""
    return f"{one['after'].replace('_', ' ')}{weight}, {by(one)}: {one['why']}"


def _called(digest: str, versions: Mapping[str, str]) -> str:
    return versions.get(digest) or digest[:SHORT]


def _clock(at: float) -> str:
    return f"{datetime.fromtimestamp(at):%H:%M:%S}"
