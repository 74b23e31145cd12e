"""The table of docs/rollout.md on how often rules roll back, and how soon."""

from collections.abc import Mapping
from typing import Any

Results = Mapping[str, Any]


def write_table(results: Results) -> str:
    """Write what became of each scenario by each rule; rules without pairs where these matter."""
    lines = [
        "| scenario | rule | rolled back | 95 % interval | median seconds to the verdict | "
        "answers of the canary that shoppers had seen |",
        "|---|---|---|---|---|---|",
    ]
    for scenario, rules in results["scenarios"].items():
        for rule, told in rules.items():
            if _shows(scenario, rule):
                low, high = told["interval"]
                cells = (
                    f"{told['share']:.1%}",
                    f"{low:.1%} to {high:.1%}",
                    _number(told["median_s"]),
                    _number(told["median_samples"]),
                )
                lines.append(f"| {scenario} | {rule} | {' | '.join(cells)} |")
    return "\n".join(lines)


def write_run(results: Results) -> str:
    """Say by what it was measured."""
    return f"(`{results['command']}`, {results['machine']}.)"


def write_clicks(results: Results) -> str:
    """Say how often a drop in clicks is found."""
    found = results["scenarios"]["clicks -10 %"]
    ours, without = found["coterie"]["share"], found["coterie, without pairs"]["share"]
    return (
        f"A drop of a tenth in clicks is found in {ours:.1%} of rollouts ({without:.1%} without "
        "signals of pairs), since the plan's steps show it to some 50,000 shoppers in all; "
        "thresholds that find it always roll nearly every harmless release back."
    )


def write_no_harm(results: Results) -> str:
    """Say how often what is harmless is rolled back, by which signal, a line each."""
    lines = [
        "| what is harmless | rolled back | 95 % interval | by |",
        "|---|---|---|---|",
    ]
    for scenario in results["no_harm"]:
        told = results["scenarios"][scenario]["coterie"]
        low, high = told["interval"]
        by = ", ".join(f"`{name}` {count}" for name, count in told["signals"].items())
        lines.append(
            f"| {scenario} | {told['rolled_back']} of {told['runs']:,} | "
            f"{low:.1%} to {high:.1%} | {by or 'nothing'} |"
        )
    return "\n".join(lines)


def _shows(scenario: str, rule: str) -> bool:
    """Leave out the other rules where all that differs is in pairs, which they do not know."""
    of_answers = ("A/A", "failures", "latency", "clicks")
    return rule.startswith("coterie") or scenario.startswith(of_answers)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"
