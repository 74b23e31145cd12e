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
            if _shows(scenario, rule, results):
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
        f"A drop of a tenth in clicks is found in {ours:.0%} of rollouts ({without:.0%} without "
        "signals of pairs), since the plan's steps show it to some 50,000 shoppers in all; "
        "thresholds that find it always roll nearly every harmless release back."
    )


def _shows(scenario: str, rule: str, results: Results) -> bool:
    """Leave out the other rules where they see what they see of an A/A: they know no pairs."""
    same = results["scenarios"]["A/A"][rule] == results["scenarios"][scenario][rule]
    return scenario == "A/A" or rule.startswith("coterie") or not same or scenario.startswith("cl")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"
