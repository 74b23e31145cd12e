"""The tables of the page on data to share, and its picture, written from the benchmark's file."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from benchmarks.accuracy_chart import GRID, STYLE

NAMES: Final = {
    "neighbours": "neighbours",
    "neighbours, 16 tastes": "neighbours, 16 tastes",
    "neighbours, 32 tastes": "neighbours, 32 tastes",
    "copula": "copula",
    "adversarial": "adversarial",
    "columns": "columns",
    "simulator": "simulator",
    "epsilon 10": "copula, epsilon 10",
    "epsilon 3": "copula, epsilon 3",
    "epsilon 1": "copula, epsilon 1",
}
"""In this order."""
WIDTH, HEIGHT = 640, 330
LEFT, RIGHT, TOP, BOTTOM = 62, 470, 16, 276
COLOURS: Final = ("#3b5bdb", "#e8590c", "#1098ad")
AUC: Final = (0.45, 0.75)

Results = Mapping[str, Any]
"""The benchmark's file, parsed."""
Cell = Mapping[str, Any]


def write_sets(results: Results) -> str:
    """Say how large the sets are, and what models reach on them."""
    return "; ".join(
        f"{name}: {one['people']:,} people, {one['items']:,} items, {one['events']:,} events, "
        f"{one['ties']:,} ties"
        for name, one in ((name, _first(found["real"])) for name, found in results["sets"].items())
    )


def write_fidelity(results: Results) -> str:
    """Write how like the real shop made-up ones are, a row a generator and set."""
    head = ["set", "generator", "columns", "items", "days", "correlations", "category by kind"]
    head += ["triangles", "tied people alike", "strangers alike", "had together", "covered"]
    rows = [_row(head), _row(["---"] * len(head))]
    for name, found in results["sets"].items():
        truth = _first(found["columns"])["fidelity"]
        real = truth["network"][0]
        cells = [f"{real[one]:.3f}" for one in _NETWORK]
        expected = f"{truth['coverage']['expected']:.2f}"
        rows.append(_row([name, "the real shop", *["0"] * 5, *cells, "1", expected]))
        for label, title in NAMES.items():
            if label in found:
                told = [_over(found[label], one) for one in _FIDELITY]
                rows.append(_row([name, title, *told]))
    return "\n".join(rows)


def write_use(results: Results) -> str:
    """Write what models learn of made-up shops, judged on the real one, a row a generator."""
    head = ["set", "learned from", "EASE", "of the real", "social", "of the real"]
    head += ["tau", "learning, s", "drawing, s"]
    rows = [_row(head), _row(["---"] * len(head))]
    for name, found in results["sets"].items():
        real = {one: _mean(found["real"], _at("ndcg", one)) for one in _JUDGED}
        cells = [x for one in _JUDGED for x in (f"{real[one]:.4f}", "100 %")]
        rows.append(_row([name, "the real shop", *cells, "1", "", ""]))
        for label, title in NAMES.items():
            if label in found:
                cells = []
                for one in _JUDGED:
                    reached = _over(found[label], _at("use", one), 4)
                    share = _mean(found[label], _at("use", one)) / real[one]
                    cells += [reached, f"{share:.0%}".replace("%", " %")]
                times = [f"{_mean(found[label], _at(t)):.1f}" for t in _TIMES]
                tau = _over(found[label], _at("tau"), 2)
                rows.append(_row([name, title, *cells, tau, *times]))
    return "\n".join(rows)


def write_orders(results: Results) -> str:
    """Write how far made-up shops keep the order of every model, best first."""
    rows = [_row(["set", "learned from", "tau", "of the five quick ones", "models, best first"])]
    rows.append(_row(["---"] * 5))
    for name, found in results.get("orders", {}).items():
        for label, title in {"real": "the real shop", **NAMES}.items():
            if label in found:
                one = found[label]
                taus = [f"{one[tau]:.2f}" if tau in one else "1" for tau in ("tau", "tau_quick")]
                best = sorted(one["ndcg"], key=lambda model: -one["ndcg"][model])
                told = ", ".join(f"{model} {one['ndcg'][model]:.3f}" for model in best)
                rows.append(_row([name, title, *taus, told]))
    return "\n".join(rows)


def write_privacy(results: Results) -> str:
    """Write how near made-up people come to real ones, and what attacks reach."""
    head = ["set", "generator", "copies", "nearest real person", "among real people", "ratio"]
    head += ["among real people", "AUC, nearest", "AUC, calibrated", "seeds"]
    rows = [_row(head), _row(["---"] * len(head))]
    for name, found in results["sets"].items():
        for label, title in NAMES.items():
            if label in found:
                cells = found[label]
                told = [f"{_mean(cells, _at('nearness', 'copies')):.2%}"]
                told += [f"{_mean(cells, _at('nearness', one)):.3f}" for one in _NEAR]
                told += [_auc(cells, one) for one in ("nearest", "calibrated")]
                rows.append(_row([name, title, *told, str(len(cells))]))
    return "\n".join(rows)


def draw_price(results: Results) -> str:
    """Draw what EASE learns of made-up shops by what an attacker learns, as SVG."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'aria-label="EASE learned of made-up people, by what tells who was there">',
        f"<style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
    ]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = _y(share)
        parts.append(f'<path d="M{LEFT} {y}H{RIGHT}" stroke="{GRID}"/>')
        parts.append(
            f'<text class="n" x="{LEFT - 8}" y="{y + 5}" text-anchor="end">{share:.0%}</text>'
        )
    for auc in (0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75):
        parts.append(
            f'<text class="n" x="{_x(auc)}" y="{BOTTOM + 20}" text-anchor="middle">{auc:.2f}</text>'
        )
    parts.append(
        f'<text class="s" x="{LEFT}" y="{BOTTOM + 44}">membership: AUC of the better attack '
        "(0.5: none); up: NDCG@20 of EASE, of the real</text>"
    )
    for place, ((name, found), colour) in enumerate(
        zip(results["sets"].items(), COLOURS, strict=False)
    ):
        real = _mean(found["real"], _at("ndcg", "ease"))
        parts.append(
            f'<text class="n" x="{RIGHT + 10}" y="{TOP + 16 + 20 * place}" '
            f'style="fill:{colour}">{name}</text>'
        )
        for label, title in NAMES.items():
            if label in found:
                share = _mean(found[label], _at("use", "ease")) / real
                auc = max(
                    _mean(found[label], _at("membership", one, 0))
                    for one in ("nearest", "calibrated")
                )
                x, y = _x(auc), _y(share)
                said = title.replace("copula, ", "")
                parts.append(f'<circle cx="{x}" cy="{y}" r="5" fill="{colour}"/>')
                parts.append(f'<text class="s" x="{x + 8}" y="{y - 5}">{said}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


_JUDGED: Final = ("ease", "social")
_TIMES: Final = ("learn_s", "draw_s")
_NEAR: Final = ("nearest", "nearest_real", "ratio", "ratio_real")
_NETWORK: Final = ("transitivity", "likeness_of_ties", "likeness_of_strangers")


def _at(*path: str | int) -> Callable[[Cell], Any]:
    """Read what stands at a path."""

    def read(cell: Cell) -> Any:
        found: Any = cell
        for step in path:
            found = found[step]
        return found

    return read


_FIDELITY: Final[tuple[Callable[[Cell], Any], ...]] = (
    lambda cell: np.mean(list(cell["fidelity"]["columns"].values())),
    _at("fidelity", "shares", "items"),
    lambda cell: cell["fidelity"]["shares"].get("days"),
    _at("fidelity", "two_way", "correlation_gap"),
    _at("fidelity", "two_way", "category_by_kind"),
    *(_at("fidelity", "network", 1, name) for name in _NETWORK),
    _at("fidelity", "together", "correlation"),
    _at("fidelity", "coverage", "covered"),
)


def _first(cells: Mapping[str, Cell]) -> Cell:
    return cells[min(cells)]


def _mean(cells: Mapping[str, Cell], read: Callable[[Cell], Any]) -> float:
    return float(np.mean([read(cell) for cell in cells.values()]))


def _over(cells: Mapping[str, Cell], read: Callable[[Cell], Any], digits: int = 3) -> str:
    """Write the mean over seeds, and their standard deviation."""
    values = [read(cell) for cell in cells.values()]
    if values[0] is None:
        return "-"
    mean = f"{np.mean(values):.{digits}f}"
    return f"{mean} ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else mean


def _auc(cells: Mapping[str, Cell], attack: str) -> str:
    """Write the mean over seeds, and the widest ends of their intervals."""
    told = np.array([cell["membership"][attack] for cell in cells.values()])
    return f"{told[:, 0].mean():.3f} [{told[:, 1].min():.3f}, {told[:, 2].max():.3f}]"


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _x(auc: float) -> float:
    low, high = AUC
    return round(LEFT + (auc - low) / (high - low) * (RIGHT - LEFT), 1)


def _y(share: float) -> float:
    return round(BOTTOM - min(share, 1.05) * (BOTTOM - TOP), 1)
