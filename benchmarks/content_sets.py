"""Public sets whose items say something of themselves, in the protocols of docs/accuracy.md.

Each is read as it was published; nothing of what is held out, and nothing that its people did with
what is held out, is among what a model may read.
"""

import ast
import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from coterie.data.dataset import Interactions, Ints, Split, Ties, TrainingSet
from coterie.data.repurchase import Again
from coterie.data.vector_columns import with_vectors
from coterie.schema import EVENT_KINDS, EventKind

Encode = Callable[[Sequence[str]], npt.NDArray[Any]]
"""Texts to vectors."""


@dataclass(frozen=True)
class Task:
    """What is fitted, and what is then to be foreseen."""

    fit: TrainingSet
    held_out: Interactions
    serve: TrainingSet | None = None
    """Whose lists are made, where these are not the shoppers that were learned from."""


@dataclass(frozen=True)
class ContentSet:
    """A set, ready to be measured."""

    name: str
    validation: Task
    test: Task
    k: int
    """Length of the lists."""
    category: Ints | None = None
    """Of each item, -1 unknown; what the rules for cold items go by."""


def read_tiktok(folder: Path, encode: Encode | None = None) -> ContentSet:  # noqa: ARG001
    """TikTok (DiffMM's files, MMSSL's split): vectors of image and audio are given."""
    parts = [
        np.loadtxt(folder / f"{part}.csv", delimiter=",", skiprows=1, dtype=np.int64).T
        for part in ("train", "val", "test")
    ]
    image, audio = (np.load(folder / f"{kind}_feat.npy") for kind in ("image", "audio"))
    items = pa.table({"item_id": [str(i) for i in range(len(image))]})
    items = with_vectors(with_vectors(items, "image", image), "audio", audio)
    train, val, test = (_liked(*part) for part in parts)
    users = 1 + max(int(part[0].max()) for part in parts)
    split = Split("bundled", train, val, test, Ties.none(), users, len(image), items=items)
    return _of_split("tiktok", split)


def read_yelp(folder: Path, encode: Encode | None = None) -> ContentSet:
    """Yelp (masoudmansoury/yelp_core40): 70, 10 and 20 % of each user's ratings, seed 0.

    Ratings under 4 are what was turned down: known where they are in training, never asked for.
    """
    ratings = np.loadtxt(folder / "ratings.txt", dtype=np.int64)
    users, user = np.unique(ratings[:, 0], return_inverse=True)
    ids, item = np.unique(ratings[:, 1], return_inverse=True)
    part = _parts_of(user, (0.7, 0.8), seed=0)
    good = ratings[:, 2] >= 4
    kind = np.where(
        good, EVENT_KINDS.index(EventKind.PURCHASE), EVENT_KINDS.index(EventKind.DISLIKE)
    )
    every = [_events(user[part == p], item[part == p], kind[part == p]) for p in range(3)]
    asked = [_liked(user[(part == p) & good], item[(part == p) & good]) for p in range(3)]
    friends = np.loadtxt(folder / "friendships.txt", dtype=np.int64)[:, :2]
    friends = friends[np.isin(friends, users).all(axis=1)]
    both = np.unique(np.concatenate([friends, friends[:, ::-1]]), axis=0)
    ties = _ties(*np.searchsorted(users, both).T)
    said: dict[int, list[str]] = {}
    for line in (folder / "items.txt").read_text().splitlines():
        one, _, word = line.partition("\t")
        said.setdefault(int(one), []).append(word)
    words = [" , ".join(said.get(int(one), [])) for one in ids]
    items = _items(ids, words, encode)
    split = Split(
        "bundled", every[0], asked[1], asked[2], ties, len(users), len(ids), every[1], items=items
    )
    first = np.unique([said.get(int(one), [""])[0] for one in ids], return_inverse=True)[1]
    return _of_split("yelp_core40", split, category=first)


def read_lastfm(folder: Path, encode: Encode | None = None, seed: int = 0) -> ContentSet:
    """LastFM (SocialLGN's split): a tenth of each one's training is validation, drawn by a seed.

    Names of artists, and tags that people gave to artists which are not held out from them.
    """
    raw, bundle = folder / "raw", folder / "split"
    train, test = (
        np.loadtxt(bundle / f"{part}_set.txt", delimiter=",", skiprows=1, dtype=np.int64, ndmin=2)
        for part in ("train", "test")
    )
    ties = np.loadtxt(bundle / "trust.txt", delimiter=",", skiprows=1, dtype=np.int64)
    user_rows, item_rows = (
        json.loads((bundle / f"{side}Reindex.json").read_text()) for side in ("user", "item")
    )
    num_users, num_items = len(user_rows), len(item_rows)
    part = _parts_of(train[:, 0], (0.9, 1.0), seed)
    names, tags = [""] * num_items, _tab_lines(raw / "tags.dat")
    for one, name, *_ in _tab_lines(raw / "artists.dat")[1:]:
        if one in item_rows:
            names[item_rows[one]] = name
    spoken = {one: tag for one, tag, *_ in tags[1:]}
    held = {(u, i) for u, i in np.concatenate([train[part == 1], test]).tolist()}
    said: list[list[str]] = [[] for _ in range(num_items)]
    for user, item, tag, *_ in _tab_lines(raw / "user_taggedartists.dat")[1:]:
        row = user_rows.get(user, -1), item_rows.get(item, -1)
        if min(row) >= 0 and row not in held and tag in spoken:
            said[row[1]].append(spoken[tag])
    words = [" , ".join([*given]) for given in said]
    items = _items(np.arange(num_items), words, encode, names)
    main = [max(set(given), key=lambda t: (given.count(t), t)) if given else "" for given in said]
    category = np.unique(main, return_inverse=True)[1]
    split = Split(
        "bundled",
        _liked(*train[part == 0].T),
        _liked(*train[part == 1].T),
        _liked(*test.T),
        _ties(*ties.T),
        num_users,
        num_items,
        items=items,
    )
    return _of_split("lastfm", split, category=category)


def read_amazon(folder: Path, encode: Encode | None = None, folds: int = 3) -> ContentSet:
    """Amazon Industrial (MiniOneRec's files) without its training rows.

    ``valid.csv`` is learned from: each user's first history, then what followed. For validation the
    rows of a third of its users are foreseen from those of the others. The histories of
    ``test.csv`` are read when lists are made, and nothing is learned from them. All items are
    ranked, also those of the history.
    """
    told = json.loads((folder / "items.json").read_text())
    order = [str(i) for i in range(len(told))]
    columns = {name: [told[i][name] for i in order] for name in ("title", "brand")}
    items = pa.table({"item_id": order, **columns})
    if encode is not None:
        items = with_vectors(items, "text", encode(columns["title"]))
    valid, test = (_histories(folder / f"{part}.csv") for part in ("valid", "test"))
    names = sorted({user for user, *_ in valid})
    fold = {
        user: place % folds
        for place, user in enumerate(np.random.default_rng(0).permutation(names))
    }
    learn = [row for row in valid if fold[row[0]] != 0]
    judge = [row for row in valid if fold[row[0]] == 0]
    brand = np.unique(columns["brand"], return_inverse=True)[1]
    return ContentSet(
        "amazon_industrial",
        _sequence_task(learn, judge, items),
        _sequence_task(valid, test, items),
        k=10,
        category=brand,
    )


READERS: Final = {
    "tiktok": read_tiktok,
    "yelp_core40": read_yelp,
    "lastfm": read_lastfm,
    "amazon_industrial": read_amazon,
}


def _sequence_task(
    learn: list[tuple[str, list[int], int]],
    judge: list[tuple[str, list[int], int]],
    items: pa.Table,
) -> Task:
    """Learn whole sequences, then foresee what follows each history: one user a row."""
    whole: dict[str, list[int]] = {}
    for user, history, target in learn:
        whole.setdefault(user, [*history]).append(target)
    sizes = [len(one) for one in whole.values()]
    fitted = _dated(np.repeat(np.arange(len(whole)), sizes), np.concatenate([*whole.values()]))
    rows = np.arange(len(judge))
    histories = np.concatenate([history for _, history, _ in judge])
    seen = _dated(np.repeat(rows, [len(history) for _, history, _ in judge]), histories)
    asked = _liked(rows, np.array([target for *_, target in judge]))
    fit = TrainingSet(fitted, Ties.none(), len(whole), items.num_rows, items=items)
    # Of a history anything may come again, and is ranked.
    again = Again(np.zeros(items.num_rows, np.float32), 2 * len(histories))
    serve = TrainingSet(
        seen, Ties.none(), len(judge), items.num_rows, asked, again=again, items=items
    )
    return Task(fit, asked, serve)


def _histories(file: Path) -> list[tuple[str, list[int], int]]:
    with file.open(newline="") as lines:
        return [
            (row["user_id"], ast.literal_eval(row["history_item_id"]), int(row["item_id"]))
            for row in csv.DictReader(lines)
        ]


def _of_split(name: str, split: Split, category: Ints | None = None) -> ContentSet:
    return ContentSet(
        name,
        Task(split.for_validation(), split.val),
        Task(split.for_test(), split.test),
        k=20,
        category=category,
    )


def _items(
    ids: Ints, words: list[str], encode: Encode | None, titles: list[str] | None = None
) -> pa.Table:
    items = pa.table({"item_id": [str(one) for one in ids], "tags": words})
    if titles is not None:
        items = items.append_column("title", pa.array(titles))
    if encode is not None:
        said = [f"{a}. {b}" for a, b in zip(titles or words, words, strict=True)]
        items = with_vectors(items, "text", encode([text[:300] for text in said]))
    return items


def _parts_of(user: Ints, bounds: tuple[float, float], seed: int) -> Ints:
    """Cut each user's events at random, shape (n,): 0, 1 or 2."""
    order = np.random.default_rng(seed).permutation(len(user))
    order = order[np.argsort(user[order], kind="stable")]
    counts = np.bincount(user)
    place = np.arange(len(user)) - np.repeat(np.cumsum(counts) - counts, counts)
    part = np.empty(len(user), np.int64)
    part[order] = np.searchsorted(bounds, place / counts[user[order]], side="right")
    return part


def _liked(user: Ints, item: Ints) -> Interactions:
    return _events(user, item, np.full(len(user), EVENT_KINDS.index(EventKind.PURCHASE)))


def _events(user: Ints, item: Ints, kind: Ints) -> Interactions:
    n = len(user)
    nothing = np.full(n, np.nan, np.float32)
    return Interactions(
        np.asarray(user, np.int64),
        np.asarray(item, np.int64),
        np.asarray(kind, np.int8),
        nothing,
        np.zeros(n, np.int64),
        np.full(n, -1, np.int64),
    )


def _dated(user: Ints, item: Ints) -> Interactions:
    """Events in the order in which they come."""
    events = _liked(user, item)
    return Interactions(
        events.user_idx,
        events.item_idx,
        events.kind,
        events.value,
        1 + np.arange(len(user), dtype=np.int64),
        events.referrer_idx,
    )


def _ties(src: Ints, dst: Ints) -> Ties:
    n = len(src)
    ints = np.zeros(n, np.int64)
    return Ties(
        np.asarray(src, np.int64),
        np.asarray(dst, np.int64),
        np.zeros(n, np.int8),
        np.ones(n, np.float32),
        ints,
    )


def _tab_lines(file: Path) -> list[list[str]]:
    return [line.split("\t") for line in file.read_text("utf-8", "replace").split("\n") if line]
