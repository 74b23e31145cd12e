"""From a clean folder, as ingest leaves it, to arrays."""

import hashlib
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from coterie.data.dataset import AskedTimes, Codes, Dataset, Floats, Interactions, Ints, Ties
from coterie.data.pseudonyms import PseudonymKeys
from coterie.data.staging import settled
from coterie.data.stores import open_store, reaching
from coterie.data.vocab import Vocab
from coterie.errors import BadInputError
from coterie.schema import (
    EVENT_KINDS,
    EVENTS,
    INGEST_REPORT,
    ITEMS,
    PARTS,
    SCHEMA_VERSION,
    TABLES,
    TIE_KINDS,
    TIES,
    USERS,
    Table,
)


def load_dataset(clean: str) -> Dataset:
    """Load what ``ingest`` wrote, after a look at every file's digest.

    People who may not be used keep their own row, their own ties, and their events for themselves,
    so that they can be served; their name as a follower's friend or as a referrer is left out.

    Args:
        clean: A folder, local or of a store (``s3://bucket/folder``).

    Raises:
        BadInputError: No clean folder, one of another schema, or files other than ingest wrote.
        UnavailableError: The store does not answer.
    """
    report, tables = read_clean(clean)
    events, ties = tables[EVENTS.name], tables[TIES.name]
    users = _people_of(events, ties, tables[USERS.name])
    items = Vocab.of(tables[ITEMS.name]["item_id"])
    people = _aligned_people(users, tables[USERS.name])
    usable = np.asarray(people["may_be_used"].to_numpy(), dtype=bool)
    interactions, part = _interactions(events, users, items)
    kept = usable[interactions.user_idx]
    arrays = _ties(ties, users)
    return Dataset(
        users=users,
        items=items,
        events=_without_referrers(interactions.take(kept), usable),
        part=part[kept],
        withheld=_for_themselves(interactions, part, ~kept),
        ties=arrays.take(usable[arrays.dst_idx]),
        catalogue=tables[ITEMS.name].take(pc.sort_indices(tables[ITEMS.name]["item_id"])),
        people=people,
        fingerprint=str(report["fingerprint"]),
        asked=_asked(events, users),
    )


def read_clean(clean: str) -> tuple[dict[str, Any], dict[str, pa.Table]]:
    """Read report and tables of a clean folder, each file checked against the report's digest.

    Raises:
        BadInputError: As ``load_dataset``.
        UnavailableError: As ``load_dataset``.
    """
    fs, folder = open_store(settled(clean))
    report = _read_report(fs, folder, clean)
    if report.get("schema_version") != SCHEMA_VERSION:
        raise BadInputError(
            f"{clean} was written for schema {report.get('schema_version')}, this is schema "
            f"{SCHEMA_VERSION}: run ingest again"
        )
    return report, {t.name: _read(fs, folder, t, report.get("files", {})) for t in TABLES.values()}


def fingerprint_of(clean: str) -> str:
    """Read the digest of a clean folder's tables from its report; the tables are not read.

    Raises:
        BadInputError: No clean folder.
        UnavailableError: The store does not answer.
    """
    fs, folder = open_store(settled(clean))
    return str(_read_report(fs, folder, clean).get("fingerprint"))


def refuse_other_key(clean: str, keys: PseudonymKeys) -> None:
    """Refuse clean tables in which people stand under another key than the newest given: everybody
    would be a stranger.

    Raises:
        BadInputError: They do, or it is no clean folder.
        UnavailableError: The store does not answer.
    """
    fs, folder = open_store(settled(clean))
    made = str(_read_report(fs, folder, clean).get("pseudonym_key", ""))
    if made != keys.name:
        found, expected = (f"pseudonyms under key {k}" if k else "ids" for k in (made, keys.name))
        raise BadInputError(
            f"people in {clean} are {found}, and here {expected} are expected: give the key that "
            "ingest had, or run ingest again with that of here (COTERIE_PSEUDONYM_KEY)"
        )


def _read_report(fs: Any, folder: str, clean: str) -> dict[str, Any]:
    try:
        with reaching(clean):
            report = json.loads(fs.cat_file(f"{folder}/{INGEST_REPORT}"))
    except FileNotFoundError as error:
        raise BadInputError(
            f"{clean} has no {INGEST_REPORT}: it was never written to its end; run ingest into it"
        ) from error
    except (UnicodeDecodeError, json.JSONDecodeError):
        report = None
    if not isinstance(report, dict):
        raise BadInputError(f"{clean}/{INGEST_REPORT} is no JSON object: run ingest again")
    return report


def _read(fs: Any, folder: str, table: Table, digests: dict[str, str]) -> pa.Table:
    name = f"{table.name}.parquet"
    try:
        with reaching(folder):
            content = fs.cat_file(f"{folder}/{name}")
    except FileNotFoundError as error:
        raise BadInputError(f"{folder} lacks {name}: run ingest again") from error
    if hashlib.sha256(content).hexdigest() != digests.get(name):
        raise BadInputError(
            f"{folder}/{name} is not the file that ingest wrote (its digest differs): run ingest "
            "again rather than change clean tables"
        )
    return pq.read_table(pa.BufferReader(content), schema=table.arrow)


def _people_of(events: pa.Table, ties: pa.Table, users: pa.Table) -> Vocab:
    columns = [
        events["user_id"],
        events["referrer_user_id"],
        events["invited_user_id"],
        ties["src_user_id"],
        ties["dst_user_id"],
        users["user_id"],
    ]
    return Vocab.of(pa.chunked_array([c for column in columns for c in column.chunks], pa.string()))


def _aligned_people(users: Vocab, table: pa.Table) -> pa.Table:
    """Let row i describe user i; who is not in the table may be named and used."""
    said = Vocab(table["user_id"].combine_chunks()).rows(users.ids)
    rows = pa.array(said, mask=said < 0)
    flags = [pc.fill_null(table[c].take(rows), yes) for c, yes in USERS.where_not_said.items()]
    return pa.table([users.ids, *flags], schema=USERS.arrow)


def _interactions(events: pa.Table, users: Vocab, items: Vocab) -> tuple[Interactions, Codes]:
    """Make arrays of clean events, which are ordered already: by time, then by id."""
    arrays = Interactions(
        user_idx=users.rows(events["user_id"]),
        item_idx=items.rows(events["item_id"]),
        kind=_codes(events["event"], EVENT_KINDS),
        value=_floats(events["value"]),
        ts_ms=_millis(events["ts"]),
        referrer_idx=users.rows(events["referrer_user_id"]),
    )
    return arrays, _codes(events["split"], PARTS)


def _for_themselves(
    events: Interactions, part: Codes, withheld: np.ndarray[Any, np.dtype[np.bool_]]
) -> Interactions:
    """Choose the events of people who may not be used that their own lists draw on.

    Beside a bundled split, whose times are made up, real ones would make all of it look old.
    """
    rows = withheld & (part >= 0) if (part >= 0).any() else withheld
    events = events.take(rows)
    return replace(events, referrer_idx=np.full(len(events), -1, np.int64))


def _without_referrers(
    events: Interactions, usable: np.ndarray[Any, np.dtype[np.bool_]]
) -> Interactions:
    told = events.referrer_idx
    hidden = (told >= 0) & ~usable[told]
    return replace(events, referrer_idx=np.where(hidden, -1, told))


def _asked(events: pa.Table, users: Vocab) -> AskedTimes:
    shares = events.filter(pc.is_valid(events["invited_user_id"]))
    return AskedTimes(users.rows(shares["invited_user_id"]), _millis(shares["ts"]))


def _ties(ties: pa.Table, users: Vocab) -> Ties:
    return Ties(
        src_idx=users.rows(ties["src_user_id"]),
        dst_idx=users.rows(ties["dst_user_id"]),
        kind=_codes(ties["kind"], TIE_KINDS),
        weight=_floats(ties["weight"]),
        since_ms=_millis(ties["since"]),
    )


def _codes(column: pa.ChunkedArray, names: tuple[str, ...]) -> Codes:
    return Vocab(pa.array([str(n) for n in names], pa.string())).rows(column).astype(np.int8)


def _floats(column: pa.ChunkedArray) -> Floats:
    return np.asarray(pc.fill_null(column, float("nan")).to_numpy(), dtype=np.float32)


def _millis(column: pa.ChunkedArray) -> Ints:
    micros = pc.fill_null(column.cast(pa.int64()), 0).to_numpy()
    return np.asarray(micros // 1000, dtype=np.int64)
