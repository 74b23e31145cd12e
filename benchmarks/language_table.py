"""The tables of docs/language.md, of what ``benchmarks.language`` found."""

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any, Final

SPEED: Final = 1_000
"""Tokens a second that a server writes for many at once: for arithmetic, not measured here."""


def write_guards(results: Mapping[str, Any]) -> str:
    """Write what guards caught, as Markdown."""
    names = {"en": "English", "zh": "Chinese"}
    rows = [
        row
        for language, one in results["inventions"].items()
        for row in (
            (f"inventions caught, {names[language]}", f"{one['caught']} of {one['planted']}"),
            (f"good rephrasings passed, {names[language]}", f"{one['passed']} of {one['good']}"),
        )
    ]
    orders = results["injections"]
    rows += [
        ("orders given to a model that obeys", f"{orders['orders']}"),
        ("of these, that changed a reason", f"{orders['changed_reasons']}"),
        ("of these, that changed what was searched for", f"{orders['changed_searches']}"),
    ]
    lines = ["| what | measured |", "|---|---|", *(f"| {what} | {found} |" for what, found in rows)]
    return "\n".join(lines)


def write_costs(results: Mapping[str, Any]) -> str:
    """Write what calls take, as Markdown: tokens, seconds, and what a million cost."""
    lines = [
        "| a call | tokens in, out | p50 (p95), s | the client, ms | a million calls, M tokens |",
        "|---|---|---|---|---|",
    ]
    for name, one in results["calls"].items():
        lines.append(
            f"| {name} | {one['tokens_in']}, {one['tokens_out']} | {one['p50_s']:.2f} "
            f"({one['p95_s']:.2f}) | {one['client_ms_p50']:.1f} | {one['tokens_in']} in, "
            f"{one['tokens_out']} out |"
        )
    items = results["catalogue"]
    lines.append(
        f"| an item of the catalogue (of {items['items']}) | {items['tokens_in']:.0f}, "
        f"{items['tokens_out']:.0f} | | | {items['tokens_in']:.0f} in, {items['tokens_out']:.0f} "
        "out |"
    )
    return "\n".join(lines)


def write_million(
    results: Mapping[str, Any], encoders: Mapping[str, Any], finetuned: Mapping[str, Any]
) -> str:
    """Write what a catalogue of a million items costs, as Markdown."""
    texts, items = encoders["texts"], results["catalogue"]
    hours = 1e6 / texts["titles_a_second"] / 3600
    learned = [
        seed["learning"]["cpu_seconds"]
        for cell in finetuned["default"].values()
        if isinstance(cell, dict) and "seeds" in cell
        for seed in cell["seeds"]
    ]
    written = items["tokens_out"] * 1e6
    lines = [
        "| what | by | for a million items |",
        "|---|---|---|",
        f"| encode titles, frozen or fine-tuned | the default, one core | {hours:.1f} hours |",
        f"| fine-tune, with the small budget of the table below | the default, one core | "
        f"{min(learned)} to {max(learned)} s, whatever the catalogue's size |",
        f"| describe items | a language model | {items['tokens_in']:.0f} M tokens in, "
        f"{items['tokens_out']:.0f} M out: {written / SPEED / 3600:.0f} hours where "
        f"{SPEED:,} tokens a second are written |",
        "| reasons, questions | a language model | none: they go by shoppers, not by items |",
    ]
    return "\n".join(lines)


def write_described(found: Mapping[str, Any]) -> str:
    """Write how much of a small model's words could be kept, as Markdown."""
    return "\n".join(
        [
            "| model | items | answered in the form | something kept | tokens written | core, s | "
            "an item, s |",
            "|---|---|---|---|---|---|---|",
            f"| {found['model']} | {found['items']} | {found['in_form']} | "
            f"{found['items_with_something_kept']} | {found['tokens_out']:,} | "
            f"{found['cpu_seconds']} | {found['cpu_seconds'] / found['items']:.0f} |",
        ]
    )


def write_found_by_described(results: Mapping[str, Any]) -> str:
    """Write what generated words find, as Markdown."""
    mrr = results["search"]["mrr"]
    lines = [
        "| catalogue | queries | words | with generated | words and vectors | with generated |",
        "|---|---|---|---|---|---|",
    ]
    for shelf, sorts in mrr["words"]["without"].items():
        for sort, one in sorts.items():
            cells = [
                f"{mrr[way][row][shelf][sort]['mean']:.3f}"
                for way in ("words", "both")
                for row in ("without", "with")
            ]
            lines.append(f"| {shelf} | {sort} ({one['queries']}) | {' | '.join(cells)} |")
    return "\n".join(lines)


def write_lists_by_described(results: Mapping[str, Any]) -> str:
    """Write what generated keywords do for lists by texts alone, as Markdown."""
    lines = [
        "| set | items' texts | NDCG on validation | NDCG | NDCG of cold items |",
        "|---|---|---|---|---|",
    ]
    for name, rows in results["lists"].items():
        if not isinstance(rows, Mapping) or "items" not in rows:
            continue
        for row, one in rows.items():
            if isinstance(one, Mapping):
                lines.append(
                    f"| {name} | {row} | {one['texts alone, validation']:.4f} | "
                    f"{one['texts alone']:.4f} | {mean(one['cold, texts alone']):.4f} |"
                )
    return "\n".join(lines)


def write_profiles(results: Mapping[str, Any]) -> str:
    """Write what the vector of a taste in words adds, seed by seed, as Markdown."""
    seeds = [found["rows"] for _, found in sorted(results["seeds"].items())]
    lines = ["| lists of | NDCG@20 on validation, by seed | NDCG@20, by seed |", "|---|---|---|"]
    lines += [
        f"| {name} | {' | '.join(_each(seeds, name, part) for part in ('validation', 'test'))} |"
        for name in seeds[0]
    ]
    return "\n".join(lines)


def write_alignment(results: Mapping[str, Any]) -> str:
    """Write what a loss of alignment with tastes in words adds, as Markdown."""
    lines = [
        "| seed | model | what the second loss counts | epochs | NDCG@20 on validation | NDCG@20 |"
    ]
    lines.append("|---|---|---|---|---|---|")
    for seed, found in sorted(results["seeds"].items()):
        tried = {float(weight): reached for weight, reached in found["tried"].items()}
        for name, row in found["rows"].items():
            chosen = "none" if name == "LightGCN" else f"{found['weight']:g}"
            lines.append(
                f"| {seed} | {name} | {chosen} | {row['epochs']} | {row['validation']:.4f} | "
                f"{row['test']:.4f} |"
            )
        lines += [
            f"| {seed} | LightGCN, aligned with profiles | {weight:g} | | {reached:.4f} | |"
            for weight, reached in sorted(tried.items())
            if weight not in (0.0, found["weight"])
        ]
    return "\n".join(lines)


def _each(seeds: Sequence[Mapping[str, Any]], name: str, part: str) -> str:
    found = [rows[name][part] for rows in seeds]
    return f"{', '.join(f'{one:.4f}' for one in found)} (mean {mean(found):.4f})"
