"""The table of docs/models.md that sets models of sequence beside the others."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

Results = Mapping[str, Any]
"""The benchmark's file, parsed."""
_NAMES: Final = {
    "popularity": "popularity",
    "ease": "`ease`",
    "social": "`social`",
    "social_no_ties": "`social` without ties",
    "social_no_ties_had": "`social` without ties, of what was had alone",
    "gru4rec": "`gru4rec`",
    "gru4rec_shuffled": "`gru4rec`, order shuffled",
    "sasrec": "`sasrec`",
    "sasrec_shuffled": "`sasrec`, order shuffled",
}


_ALSO: Final = ("popularity", "ease", "social", "social_no_ties")
"""Rows of ``accuracy.json`` that are shown of sets that it has, by longer studies."""


def write_table(results: Results, accuracy: Results) -> str:
    """Write every set's rows: NDCG@20 on validation and test, recall@20, and what they took."""
    lines = [
        "| set | model | validation | NDCG@20 | recall@20 | epochs | seeds | CPU s, all fits |",
        "|---|---|---|---|---|---|---|---|",
    ]
    tuned = accuracy["protocols"]["train+val"]
    for name, measured in results.items():
        rows = {row: tuned[name][row] for row in _ALSO if name in tuned} | measured
        for row in (one for one in _NAMES if one in rows):
            cell = rows[row]
            figures = [_spread(cell["test"][figure]) for figure in ("ndcg@20", "recall@20")]
            told = [f"{cell['validation']:.4f}", *figures, str(cell.get("epochs") or "")]
            told += [str(len(cell["test"]["ndcg@20"])), str(cell.get("cpu_seconds", ""))]
            lines.append(f"| {name} | {_NAMES[row]} | {' | '.join(told)} |")
    return "\n".join(lines)


def write_beside(results: Results) -> str:
    """Write NDCG@20 on validation of ``social`` with a share of a model of sequence, by weight."""
    lines = list[str]()
    for name, measured in results.items():
        for row in (one for one in _NAMES if "beside_social" in measured.get(one, {})):
            told = measured[row]["beside_social"]
            if not lines:
                head = ["set", "beside `social`", *told]
                lines += [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
            figures = [f"{figure:.4f}" for figure in told.values()]
            lines.append(f"| {' | '.join([name, _NAMES[row], *figures])} |")
    return "\n".join(lines)


def _spread(values: list[float]) -> str:
    mean = f"{np.mean(values):.4f}"
    return f"{mean} ± {np.std(values, ddof=1):.4f}" if len(values) > 1 else mean
