"""The accuracy benchmark's results as tables."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from benchmarks.accuracy_figures import (
    OURS,
    PROTOCOL,
    TITLES,
    best_baseline,
    ndcg,
    quote_newcomers,
    quote_shoppers,
)
from coterie.evaluation.groups import BANDS
from coterie.models.social_config import SocialConfig
from coterie.workflow.config_values import flatten
from coterie.workflow.settings import change

SHOWN: Final = ("recall@10", "ndcg@10", "recall@20", "ndcg@20")
GROUPS: Final = (
    ("all", "all shoppers"),
    *((kind, label) for kind, bands in BANDS.items() for label in bands.labels),
)
"""Rows of the table of lifts."""
PROTOCOLS: Final = {
    "train+val": "Fitted on training and validation",
    "train": "Fitted on training alone, as some published figures were",
}


def write_summary(results: Mapping[str, Any]) -> str:
    """Write one row a data set: the best baseline, the social model without ties and with."""
    rows = [
        "| data set | shoppers | EASE | social, no ties | social | over EASE | 95 % interval |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, cells in results["protocols"][PROTOCOL].items():
        assert best_baseline(cells) == "ease", f"{name}: the table's head names EASE"
        figures = " | ".join(f"{ndcg(cells[row]):.4f}" for row in ("ease", "social_no_ties"))
        rows.append(
            f"| {_kept(TITLES.get(name, name))} | {quote_shoppers(results, name)} | {figures} "
            f"| **{ndcg(cells['social']):.4f}** | {_two(cells['social']['against']['ease'])} |"
        )
    return "\n".join(rows)


def write_ties(results: Mapping[str, Any]) -> str:
    """Write one row a data set: what ties add to all shoppers, and to newcomers."""
    rows = [
        "| data set | ties add | 95 % interval | newcomers by ties | newcomers by popularity |",
        "|---|---|---|---|---|",
    ]
    for name, cells in results["protocols"][PROTOCOL].items():
        lift = cells["social_no_ties"]["lift"]["all"]["all shoppers"]
        new = (quote_newcomers(results, name, row, "0") for row in ("social", "social_no_ties"))
        rows.append(f"| {_kept(TITLES.get(name, name))} | {_two(lift)} | {' | '.join(new)} |")
    return "\n".join(rows)


def _two(test: Mapping[str, Any]) -> str:
    mean, low, high = test["relative"]
    return f"{mean:+.1%} | {_kept(f'{low:+.1%} to {high:+.1%}')}"


def _kept(text: str) -> str:
    """Keep a text in one line of its cell."""
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def write_tables(results: Mapping[str, Any]) -> str:
    """Write every figure: models by set, what tuning chose, social lift, newcomers."""
    parts = []
    for protocol, title in PROTOCOLS.items():
        sets = results["protocols"].get(protocol, {})
        if sets:
            parts.append(f"### {title}\n")
            refused = results.get("refused", {}).get(protocol, {})
            parts += [_table(name, cells, refused.get(name, {})) for name, cells in sets.items()]
            parts += [_chosen(sets), _lifts(sets), _newcomers(sets)]
    return "\n".join(part for part in parts if part)


def _table(name: str, cells: dict[str, Any], refused: dict[str, Any]) -> str:
    rows = [
        f"#### {name}\n",
        f"| model | {' | '.join(SHOWN)} | fit, s | GiB | NDCG@20 against the best other |",
        f"|---|{'---|' * (len(SHOWN) + 3)}",
    ]
    best = best_baseline(cells)
    order = sorted(cells, key=lambda row: np.mean(cells[row]["test"]["ndcg@20"]))
    for row in order:
        cell = cells[row]
        figures = " | ".join(_figure(cell["test"][figure], row in OURS) for figure in SHOWN)
        taken = cell.get("fit_seconds")
        seconds = f"{np.mean(taken):.1f}" if taken else ""
        seconds += " (GPU)" if cell.get("device") == "cuda" else ""
        against = _against(cell, best) if row in OURS else ""
        rows.append(f"| {row} | {figures} | {seconds} | {cell['peak_gib']:.1f} | {against} |")
    missing = {row: one["why"] for row, one in refused.items() if row not in cells}
    rows += [f"\n{row} is missing: {why}." for row, why in missing.items()]
    return "\n".join(rows) + "\n"


def _chosen(sets: dict[str, Any]) -> str:
    rows = [
        "#### What tuning chose\n",
        "Settings of `social` by data set. The closed form's share, and popularity's for",
        "newcomers, are chosen by validation after the fit that it judges, and kept for those that",
        "test judges. Age counts where there are times. Last: NDCG@20 on validation.\n",
        "| data set | heads x numbers | inverse temperature | left out | newest left out | age"
        " | friends count for | closed form's share | popularity's | validation |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    head = len(rows)
    for name, cells in sets.items():
        if "social" in cells:
            cell = cells["social"]
            config = change(SocialConfig(), flatten(cell["settings"]))
            known = "newcomers" if config.friends_for_cold_start_only else "everybody"
            figures = (
                name,
                f"{config.heads} x {config.embedding_size // config.heads}",
                *(
                    f"{x:.3g}"
                    for x in (
                        config.inverse_temperature,
                        config.entry_dropout,
                        config.next_item_share,
                    )
                ),
                f"{config.target_decay:.3g}",
                known if config.use_ties else "nobody",
                *("" if x is None else f"{x:.3g}" for x in _weights(cell)),
                f"{cell['validation']:.4f}",
            )
            rows.append(f"| {' | '.join(figures)} |")
    return "\n".join(rows) + "\n" if len(rows) > head else ""


def _weights(cell: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Read what validation chose after the fit, also of when it had other names."""
    return (
        cell.get("linear_weight", cell.get("mix")),
        cell.get("popularity_weight", cell.get("prior")),
    )


def _lifts(sets: dict[str, Any]) -> str:
    rows = [
        "#### Social lift\n",
        "NDCG@20 of `social` over the same model without ties: of all shoppers, by what they had",
        "before, and by how many people they follow.\n",
        "| data set | shoppers | number | without ties | with ties | lift | 95 % interval | p |",
        "|---|---|---|---|---|---|---|---|",
    ]
    head = len(rows)
    for name, cells in sets.items():
        lift = cells.get("social_no_ties", {}).get("lift", {})
        for kind, label in GROUPS:
            group = lift.get(kind, {}).get(label)
            if group:
                about = f"{kind}: {label}" if kind == "friends" else label
                figures = f"{group['without']:.4f} | {group['with']:.4f}"
                said = f"{group['shoppers']:,} | {figures} | {_relative(group)}"
                rows.append(f"| {name} | {about} | {said} |")
    return "\n".join(rows) + "\n" if len(rows) > head else ""


def _relative(test: dict[str, Any]) -> str:
    if not test["relative"]:
        return " | | "
    mean, low, high = test["relative"]
    interval = "" if low is None else f"{low:+.1%} to {high:+.1%}"
    chance = "" if test["p"] is None else f"{test['p']:.4f}"
    return f"{mean:+.1%} | {interval} | {chance}"


def _newcomers(sets: dict[str, Any]) -> str:
    rows = [
        "#### Newcomers\n",
        "A tenth of the experienced shoppers is kept out of training altogether. Their lists are",
        "made from their ties and first 0, 1 or 3 items, and judged by what they took after the",
        "third: recall@20 / NDCG@20, one seed.\n",
        "| data set | newcomers | model | ties alone | 1 item | 3 items |",
        "|---|---|---|---|---|---|",
    ]
    head = len(rows)
    for name, cells in sets.items():
        for row in ("ease", "social_no_ties", "social"):
            told = cells.get(row, {}).get("newcomers", {})
            if told:
                figures = " | ".join(
                    " / ".join(f"{figure:.4f}" for figure in known["figures"])
                    for known in told.values()
                )
                shoppers = next(iter(told.values()))["shoppers"]
                rows.append(f"| {name} | {shoppers:,} | {row} | {figures} |")
    return "\n".join(rows) + "\n" if len(rows) > head else ""


def _figure(values: list[float], ours: bool) -> str:
    spread = f" ± {np.std(values, ddof=1):.4f}" if len(values) > 1 else ""
    text = f"{np.mean(values):.4f}{spread}"
    return f"**{text}**" if ours else text


def _against(cell: dict[str, Any], best: str | None) -> str:
    test = cell["against"].get(best) if best else None
    if not test or not test["relative"]:
        return ""
    mean, low, high = test["relative"]
    return f"{mean:+.1%} ({low:+.1%} to {high:+.1%}), p = {test['p']:.4f} over {best}"
