"""Public research sets, as they were published, into the contract's raw tables.

Each set has its own terms of use; none of it is part of Coterie.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coterie.data import foreign
from coterie.data.foreign import engagements, fill, read_delimited, repeat, ties_of
from coterie.data.parquet import write_table
from coterie.data.staging import staged
from coterie.errors import BadInputError
from coterie.schema import EVENTS, ITEMS, TIES, EventKind, Part, TieKind

Tables = dict[str, pa.Table]
_NAMES: Final = tuple(f"{table.name}.parquet" for table in (TIES, ITEMS, EVENTS))


def convert(dataset: str, source: str, out: str) -> None:
    """Write a public set's events, ties and items to ``out``, as raw input of ``ingest``.

    Args:
        dataset: One of ``READERS``.
        source: The folder with its files, local.
        out: Folder to write, local or of a store; replaced when all went well.

    Raises:
        BadInputError: No such set, or a file is missing or not in its form.
    """
    if dataset not in READERS:
        raise BadInputError(f"unknown data set {dataset!r}: expected one of {', '.join(READERS)}")
    tables = READERS[dataset](Path(source))
    with staged(out, _NAMES, last="events.parquet") as folder:
        for name, table in tables.items():
            write_table(table, folder / f"{name}.parquet")


def read_beidian(folder: Path) -> Tables:
    """Read Beidian (DISGCN): purchases in three parts, friends, and who passed an item to whom.

    ``ufi`` names user, friend, item that the friend shared. The user's purchase of it carries the
    first such friend as referrer; each further friend's share is a click of its own on the item.
    """
    shares = read_delimited(folder / "ufi", ("user", "friend", "item")).to_pandas()
    shares = shares.drop_duplicates()
    further = shares.duplicated(["user", "item"])
    first = shares[~further]
    events = []
    for part in Part:
        bought = read_delimited(folder / part, ("user", "item"))
        told = bought.to_pandas().merge(first, how="left", on=["user", "item"])["friend"]
        referrer = pa.array(told, pa.string(), from_pandas=True)
        events.append(engagements("beidian", part, bought, referrer_user_id=referrer))
    clicks = pa.Table.from_pandas(shares[further], preserve_index=False)
    told = clicks["friend"]
    events.append(
        engagements("beidian-share", Part.TRAIN, clicks, EventKind.CLICK, referrer_user_id=told)
    )
    social = read_delimited(folder / "social", ("src", "dst"))
    return _whole(events, ties_of(social["src"], social["dst"], TieKind.FRIEND))


def read_lastfm(folder: Path) -> Tables:
    """Read LastFM (HetRec 2011): listening counts, friends, and tag assignments with their day.

    Listens have no time. Where SocialLGN's split lies in ``split`` or ``../split`` they carry its
    part; else all are training. Tag assignments are reviews with the tag as text and a true time,
    outside any bundled split; those of artists that the set does not list are left out.
    """
    raw = folder / "raw" if (folder / "raw").is_dir() else folder
    artists = read_delimited(raw / "artists.dat", ("item", "name", "url", "picture"), True)
    friends = read_delimited(raw / "user_friends.dat", ("src", "dst"), True)
    items = fill(
        ITEMS, item_id=artists["item"], title=artists["name"], image_uri=artists["picture"]
    )
    ties = ties_of(friends["src"], friends["dst"], TieKind.FRIEND)
    tags = _tag_assignments(raw)
    listed = tags.filter(pc.is_in(tags["item_id"], value_set=artists["item"].combine_chunks()))
    return _whole([*_listens(raw), listed], ties, items)


def read_ciao(folder: Path) -> Tables:
    """Read Ciao in either form: RecDiff's split as CSV, or Tang's ratings with times as .mat."""
    if (folder / "rating_with_timestamp.mat").exists():
        return _dated_ciao(folder)
    categories = read_delimited(folder / "category.csv", ("item", "category"), True)
    items = foreign.nameless_items(
        categories["item"], category=foreign.labels("Category", categories["category"])
    )
    return _bundle("ciao", folder, tuple(Part), TieKind.TRUST, items)


def read_douban_book(folder: Path) -> Tables:
    """Read Douban-Book (GBSR): books read, in two parts, and who follows whom.

    Books are numbered; numbers that nobody read are books as well, to be ranked like the others.
    """
    bundle = _bundle("douban", folder, (Part.TRAIN, Part.TEST), TieKind.FOLLOW)
    read = bundle[EVENTS.name]["item_id"].cast(pa.int64())
    numbers = pa.array(np.arange(pc.max(read).as_py() + 1))
    return bundle | {ITEMS.name: foreign.nameless_items(numbers)}


def read_split_csv(folder: Path) -> Tables:
    """Read any set that was split as CSV: ``train.csv``, ``test.csv``, perhaps ``val.csv``.

    Ties are in ``social.csv``. The first two columns are user and item, or user and friend.

    Items are all that any part names.
    """
    parts = tuple(part for part in Part if part is not Part.VAL or (folder / "val.csv").exists())
    return _bundle(folder.name, folder, parts, TieKind.FRIEND)


def form_of(folder: Path) -> str | None:
    """Name which of READERS reads a folder, by the files in it; None where none does."""
    for name, files in _FORMS:
        if any((folder / file).exists() for file in files):
            return name
    return None


_FORMS: Final = (
    ("beidian", ("ufi",)),
    ("lastfm", ("user_artists.dat", "raw/user_artists.dat")),
    ("ciao", ("rating_with_timestamp.mat", "category.csv")),
    ("split_csv", ("train.csv",)),
)
"""The first reader one of whose files is there; a set of numbered items without any of its own
reads as ``split_csv``."""

READERS: Final[dict[str, Callable[[Path], Tables]]] = {
    "beidian": read_beidian,
    "lastfm": read_lastfm,
    "ciao": read_ciao,
    "douban_book": read_douban_book,
    "split_csv": read_split_csv,
}


def _bundle(
    prefix: str, folder: Path, parts: tuple[Part, ...], kind: TieKind, items: pa.Table | None = None
) -> Tables:
    """Read parts as CSV of user and item, and ``social.csv`` of user and friend."""
    events = [
        engagements(prefix, part, foreign.read_pairs(folder / f"{part}.csv", "user", "item"))
        for part in parts
    ]
    social = foreign.read_pairs(folder / "social.csv", "src", "dst")
    return _whole(events, ties_of(social["src"], social["dst"], kind), items)


def _whole(events: list[pa.Table], ties: pa.Table, items: pa.Table | None = None) -> Tables:
    whole = pa.concat_tables(events)
    catalogue = foreign.nameless_items(whole["item_id"]) if items is None else items
    return {EVENTS.name: whole, TIES.name: ties, ITEMS.name: catalogue}


def _listens(raw: Path) -> list[pa.Table]:
    listens = read_delimited(raw / "user_artists.dat", ("user", "item", "count"), True)
    split = next((f for f in (raw / "split", raw.parent / "split") if f.is_dir()), None)
    if split is None:
        return [engagements("lastfm", Part.TRAIN, listens, value=_counts(listens))]
    counted = listens.to_pandas()
    events = []
    for part, name in ((Part.TRAIN, "train_set.txt"), (Part.TEST, "test_set.txt")):
        rows = read_delimited(split / name, ("user", "item"), True)
        found = _outside_ids(rows, split)
        value = found.to_pandas().merge(counted, how="left", on=["user", "item"])["count"]
        counts = pa.array(value, pa.string(), from_pandas=True).cast(pa.float64())
        events.append(engagements("lastfm", part, found, value=counts))
    return events


def _outside_ids(rows: pa.Table, split: Path) -> pa.Table:
    """Bring the split's own numbers back to the ids of the .dat files."""
    columns = {}
    for column in ("user", "item"):
        file = split / f"{column}Reindex.json"
        try:
            numbers = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError) as error:
            raise BadInputError(f"{file} cannot be read: {error}") from error
        index = pc.index_in(
            rows[column], value_set=pa.array([str(n) for n in numbers.values()], pa.string())
        )
        columns[column] = pa.array(list(numbers), pa.string()).take(index)
    return pa.table(columns)


def _counts(listens: pa.Table) -> pa.ChunkedArray:
    return listens["count"].cast(pa.float64())


def _tag_assignments(raw: Path) -> pa.Table:
    names = ("user", "item", "tag", "day", "month", "year")
    found = read_delimited(raw / "user_taggedartists.dat", names, True)
    tags = read_delimited(raw / "tags.dat", ("tag", "word"), True, "latin-1")
    word = tags["word"].take(pc.index_in(found["tag"], value_set=tags["tag"]))
    date = pc.binary_join_element_wise(
        pc.utf8_lpad(found["year"], width=4, padding="0"),
        pc.utf8_lpad(found["month"], width=2, padding="0"),
        pc.utf8_lpad(found["day"], width=2, padding="0"),
        "-",
    )
    return fill(
        EVENTS,
        event_id=foreign.numbered("lastfm-tag", found.num_rows),
        user_id=found["user"],
        item_id=found["item"],
        event=repeat(EventKind.REVIEW, found.num_rows),
        text=word,
        ts=date.cast(pa.timestamp("us")).cast(EVENTS.arrow.field("ts").type),
    )


def _dated_ciao(folder: Path) -> Tables:
    """Read ratings with times; one shopper's of one product on one day count once.

    The set holds some twice.
    """
    ratings = foreign.read_mat(folder / "rating_with_timestamp.mat", "rating", 6)
    user, item, category, value, _, time = (pa.array(column) for column in ratings.T)
    events = fill(
        EVENTS,
        event_id=pc.binary_join_element_wise(
            "ciao", *(column.cast(pa.string()) for column in (user, item, time)), "-"
        ),
        user_id=user,
        item_id=item,
        event=repeat(EventKind.RATING, len(ratings)),
        value=value,
        ts=time.cast(pa.timestamp("s")),
    )
    # An item that is listed under several categories keeps that of its first rating.
    _, first = np.unique(ratings[:, 1], return_index=True)
    items = foreign.nameless_items(
        item.take(pa.array(first)),
        category=foreign.labels("Category", category.take(pa.array(first))),
    )
    trust = foreign.read_mat(folder / "trust.mat", "trust", 2)
    ties = ties_of(pa.array(trust[:, 0]), pa.array(trust[:, 1]), TieKind.TRUST)
    return {EVENTS.name: events, TIES.name: ties, ITEMS.name: items}
