"""How much of an item's hidden style the simulated shop's words and pictures tell.

    python -m benchmarks.planted

For each item of the default shop its nearest other item, by vectors of the default encoders, beside
its nearest by what the simulator hides (the best that can be) and any other (chance). Writes
``benchmarks/results/planted.json``, which docs/content.md shows.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from benchmarks.planted_table import write_table
from coterie.content.encoder import Floats, unit_rows
from coterie.content.pictures import PictureEncoder
from coterie.content.sentences import SentenceEncoder
from coterie.content.texts import item_texts
from coterie.content.whitening import Whitening
from coterie.data.simulate import ShopConfig, SimulatedShop, simulate
from coterie.data.simulate.pictures import paint, png
from coterie.files import write_atomically

RESULTS: Final = Path(__file__).parent / "results" / "planted.json"
CONFIG: Final = ShopConfig(num_users=200, num_events=5_000, pictures=True)
"""Items, words and pictures are those of the default shop: they are made before shoppers."""


@dataclass(frozen=True, slots=True)
class Nearest:
    """What an item and its nearest have in common, as shares of items, and how alike they are."""

    shelf: float
    style: float
    """The shelf and the style."""
    maker: float
    alike: float
    """Mean cosine of what pleases: of the hidden vectors."""


def main() -> int:
    """Measure, and write the results."""
    torch.set_num_threads(1)
    shop = simulate(CONFIG)
    hidden = shop.world.vector
    texts = SentenceEncoder().encode(item_texts(shop.items)).vectors
    titles = SentenceEncoder().encode(shop.items["title"].to_pylist()).vectors
    pictures = PictureEncoder().encode(picture_files(shop)).vectors
    both = np.hstack([Whitening.fit(one).apply(one) for one in (texts, pictures)])
    found = {
        "chance": _chance(shop),
        "title": _nearest(shop, titles),
        "text": _nearest(shop, texts),
        "image": _nearest(shop, pictures),
        "both": _nearest(shop, both),
        "hidden": _nearest(shop, hidden),
    }
    results: dict[str, Any] = {
        "items": shop.items.num_rows,
        "seed": CONFIG.seed,
        "vague": CONFIG.vague,
        "chinese": CONFIG.chinese,
        "nearest": {name: asdict(one) for name, one in found.items()},
    }
    write_atomically(RESULTS, json.dumps(results, indent=1) + "\n")
    print(write_table(results))
    return 0


def picture_files(shop: SimulatedShop) -> list[bytes]:
    """Paint a shop's items, in their order."""
    assert shop.looks is not None
    files = [b""] * shop.items.num_rows
    for rows, pictures in paint(shop.looks):
        for row, pixels in zip(rows.tolist(), pictures, strict=True):
            files[row] = png(pixels)
    return files


def _nearest(shop: SimulatedShop, vectors: Floats) -> Nearest:
    scores = unit_rows(vectors) @ unit_rows(vectors).T
    np.fill_diagonal(scores, -np.inf)
    return _common(shop, np.arange(len(vectors)), np.argmax(scores, axis=1))


def _chance(shop: SimulatedShop) -> Nearest:
    one, other = np.divmod(np.arange(shop.items.num_rows**2), shop.items.num_rows)
    apart = one != other
    return _common(shop, one[apart], other[apart])


def _common(shop: SimulatedShop, one: Any, other: Any) -> Nearest:
    goods = shop.assortment
    shelf = goods.shelf[one] == goods.shelf[other]
    style = shelf & (goods.style[one] == goods.style[other])
    brand = np.asarray(shop.items["brand"].to_pylist())
    alike = np.einsum("nd,nd->n", goods.vector[one], goods.vector[other])
    return Nearest(
        float(shelf.mean()),
        float(style.mean()),
        float((brand[one] == brand[other]).mean()),
        float(alike.mean()),
    )


if __name__ == "__main__":
    raise SystemExit(main())
