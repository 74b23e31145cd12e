"""The dislikes benchmark's results as a table."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

SETS: Final = {"yelp_core40": "Yelp", "ciao_time": "Ciao by time"}
MODELS: Final = ("popularity", "ease", "social_linear", "social")
TAKING_AWAY: Final = "taking away "


def write_table(results: Mapping[str, Any]) -> str:
    """Write a row for each set and model, a column for each way to count dislikes."""
    rows = ["| data | model | as likes | left out | taking away |", "|---|---|---|---|---|"]
    for name, title in SETS.items():
        for model in MODELS:
            arms = results[name]["models"][model]["test"]
            [weighted] = [arm for arm in arms if arm.startswith(TAKING_AWAY)] or [""]
            taken = (
                f"{_cell(arms[weighted])} (at {weighted[len(TAKING_AWAY) :]})" if weighted else ""
            )
            shown = f"{_cell(arms['as likes'])} | {_cell(arms['left out'])} | {taken}"
            rows.append(f"| {title} | `{model}` | {shown} |")
    return "\n".join(rows)


def _cell(arm: Mapping[str, Any]) -> str:
    return f"{np.mean(arm['ndcg@20']):.4f}, {np.mean(arm['disliked']):.2%}"
