"""Catalogues of real titles, and queries made of them whose answer is known.

A known-item query is made of one item's title, as a shopper who has seen it may write it: its
rarest words, a few of its words, the same with slips of the finger, or in another order. A query
for a kind of product is a word that its titles do not have: a synonym, or Chinese.
"""

import csv
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from coterie.content.texts import item_texts
from coterie.content.words import cut_text

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Encode = Callable[[Sequence[str]], Floats]
ITEMS_ASKED: Final = 120
"""Of each half of a catalogue, each draw."""

KINDS: Final[dict[str, tuple[str, ...]]] = {
    "Tshirts": ("tee", "T恤"),
    "Shirts": ("button-down", "衬衫"),
    "Casual Shoes": ("sneakers", "休闲鞋"),
    "Sports Shoes": ("trainers for running", "运动鞋"),
    "Watches": ("wristwatch", "手表"),
    "Kurtas": ("Indian tunic", "印度长衫"),
    "Tops": ("blouse", "女士上衣"),
    "Handbags": ("purse", "手提包"),
    "Sunglasses": ("shades", "太阳镜"),
    "Heels": ("stilettos", "高跟鞋"),
    "Briefs": ("underpants", "内裤"),
    "Sandals": ("summer footwear", "凉鞋"),
    "Jeans": ("denim pants", "牛仔裤"),
    "Wallets": ("billfold", "钱包"),
    "Flip Flops": ("beach slippers", "人字拖"),
    "Socks": ("hosiery", "袜子"),
    "Backpacks": ("rucksack", "双肩包"),
    "Belts": ("waistband", "皮带"),
    "Flats": ("ballerinas", "平底鞋"),
    "Dresses": ("gown", "连衣裙"),
    "Formal Shoes": ("oxfords for the office", "正装皮鞋"),
    "Trousers": ("slacks", "长裤"),
    "Perfume and Body Mist": ("fragrance", "香水"),
    "Bra": ("brassiere", "文胸"),
    "Deodorant": ("antiperspirant", "止汗剂"),
    "Lipstick": ("lip colour", "口红"),
    "Sweatshirts": ("hoodie", "卫衣"),
    "Sarees": ("Indian wrapped dress", "纱丽"),
    "Earrings": ("ear studs", "耳环"),
    "Jackets": ("windbreaker", "夹克"),
    "Tunics": ("long blouse", "长上衣"),
    "Shorts": ("bermudas", "短裤"),
    "Nightdress": ("pyjamas", "睡衣"),
    "Nail Polish": ("varnish for fingernails", "指甲油"),
}
"""Article types of ``product_photos``: a synonym, and Chinese; written by hand, before any query
was asked. Kinds in turn choose weights, and are reported."""


@dataclass(frozen=True)
class Shelf:
    """A catalogue, with its vectors."""

    name: str
    catalogue: pa.Table
    vectors: Floats
    titles: list[str]


@dataclass(frozen=True)
class Queries:
    """Queries of one sort in one catalogue, q of them."""

    shelf: str
    sort: str
    texts: list[str]
    vectors: Floats
    """Shape (q, width)."""
    right: list[Ints]
    """Items that are a right answer, of each."""


def read_shelves(data: Path, encode: Encode) -> list[Shelf]:
    """Read the catalogues: tools (English), fashion (English names), captions (Chinese)."""
    told = json.loads((data / "amazon_industrial" / "items.json").read_text())
    items = [told[str(row)] for row in range(len(told))]
    tools = pa.table({n: [i[n] for i in items] for n in ("title", "brand", "description")})
    with (data / "product_photos" / "labels.csv").open(encoding="utf-8") as file:
        fashion = pa.table({"title": [row["productDisplayName"] for row in csv.DictReader(file)]})
    with (data / "chinese_captions" / "captions.csv").open(encoding="utf-8") as file:
        said = [row["caption"] for row in csv.DictReader(file)]
    captions = pa.table({"title": [text for text in said if text not in ("", "UNKNOWN")]})
    return [
        _shelf(name, table, encode)
        for name, table in (("tools", tools), ("fashion", fashion), ("captions", captions))
    ]


def known_items(shelf: Shelf, encode: Encode, seed: int, half: int) -> list[Queries]:
    """Make queries of items drawn by chance from those of a half: one of each sort an item."""
    rng = np.random.default_rng((seed, half))
    words = [[word for word, _ in cut_text(title)] for title in shelf.titles]
    held = Counter(word for of_title in words for word in dict.fromkeys(of_title))
    same: dict[str, list[int]] = {}
    for row, title in enumerate(shelf.titles):
        same.setdefault(title, []).append(row)
    least = 8 if shelf.name == "captions" else 4
    long = [row for row in range(half, len(words), 2) if len(words[row]) >= least]
    asked = rng.permutation(long)[:ITEMS_ASKED].tolist()
    make = _chinese if shelf.name == "captions" else _english
    made = [make(words[row], held, rng) for row in asked]
    right = [np.array(same[shelf.titles[row]]) for row in asked]
    return [
        _queries(shelf.name, sort, [one[sort] for one in made], right, encode) for sort in made[0]
    ]


def kinds_of_product(data: Path, encode: Encode, half: int) -> list[Queries]:
    """Make queries for kinds of fashion, in other words and in Chinese: every other kind."""
    with (data / "product_photos" / "labels.csv").open(encoding="utf-8") as file:
        of_item = np.array([row["articleType"] for row in csv.DictReader(file)])
    names = [*KINDS][half::2]
    right = [np.flatnonzero(of_item == name) for name in names]
    return [
        _queries("fashion", sort, [KINDS[name][place] for name in names], right, encode)
        for place, sort in enumerate(("synonym", "in Chinese"))
    ]


def nonsense(encode: Encode, seed: int) -> Queries:
    """Make queries that mean nothing: letters in a row, drawn by chance."""
    rng = np.random.default_rng(seed)
    letters = np.array([*"abcdefghijklmnopqrstuvwxyz"])
    texts = ["".join(rng.choice(letters, size)) for size in rng.integers(6, 14, ITEMS_ASKED)]
    return _queries("", "nonsense", texts, [np.zeros(0, np.int64)] * len(texts), encode)


def _shelf(name: str, catalogue: pa.Table, encode: Encode) -> Shelf:
    prices = pa.nulls(catalogue.num_rows, pa.float64())
    texts = item_texts(catalogue.append_column("price", prices))
    vectors = encode(texts).astype(np.float16)
    return Shelf(name, catalogue, vectors, catalogue["title"].to_pylist())


def _queries(shelf: str, sort: str, texts: list[str], right: list[Ints], encode: Encode) -> Queries:
    return Queries(shelf, sort, texts, encode(texts), right)


def _english(words: Sequence[str], held: Counter[str], rng: np.random.Generator) -> dict[str, str]:
    rare = sorted(dict.fromkeys(words), key=lambda word: held[word])[:3]
    few = [words[at] for at in sorted(rng.choice(len(words), 3, replace=False))]
    more = [words[at] for at in sorted(rng.choice(len(words), 4, replace=False))]
    return {
        "rarest words": " ".join(word for word in words if word in rare),
        "some words": " ".join(few),
        "typos": " ".join(_slip(word, rng) if len(word) > 3 else word for word in more),
        "other order": " ".join(rng.permutation(more).tolist()),
    }


def _chinese(words: Sequence[str], held: Counter[str], rng: np.random.Generator) -> dict[str, str]:
    """Characters run on, as people write them; ``words`` are mostly one each."""
    starts = range(len(words) - 5)
    rare = max(starts, key=lambda at: sum(1 / held[word] for word in words[at : at + 4]))
    at, other = (int(rng.integers(len(words) - 5)) for _ in range(2))
    wrong = list(words[at : at + 6])
    wrong[int(rng.integers(1, 5))] = rng.choice([*held])
    half = words[other + 3 : other + 6], words[other : other + 3]
    return {
        "rarest words": "".join(words[rare : rare + 4]),
        "some words": "".join(words[at : at + 6]),
        "typos": "".join(wrong),
        "other order": " ".join("".join(part) for part in half),
    }


def _slip(word: str, rng: np.random.Generator) -> str:
    """Swap, leave out, double or mistake one letter."""
    at = int(rng.integers(len(word) - 1))
    letter = chr(ord("a") + int(rng.integers(26)))
    return (
        word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        word[:at] + word[at + 1 :],
        word[:at] + word[at] + word[at:],
        word[:at] + letter + word[at + 1 :],
    )[int(rng.integers(4))]
