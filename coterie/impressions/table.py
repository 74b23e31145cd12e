"""The table of impressions: which item stood where, who chose it, and how likely that was."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from coterie.data.stores import open_store, reaching
from coterie.errors import BadInputError
from coterie.schema import Column, Rule, Table

IMPRESSIONS: Final = Table(
    "impressions",
    (
        Column("list_id", pa.string(), True, "as its answer and its events name it"),
        Column("user_id", pa.string(), True, "to whom, as the event log stores people"),
        Column("shown_ts_ms", pa.int64(), True, "when, milliseconds since 1970"),
        Column("surface", pa.string(), True, "where in the shop: home, product or cart"),
        Column("release", pa.string(), True, "version of the release that made the list"),
        Column(
            "rules", pa.string(), False, "name of the rules, or digest of the shop's; empty: none"
        ),
        Column("experiment", pa.string(), False, "names, + between them; empty: none"),
        Column("arm", pa.string(), False, "of each experiment, + between them"),
        Column("position", pa.int32(), True, "place in the list, from 0"),
        Column("item_id", pa.string(), True, "what stood there"),
        Column(
            "propensity",
            pa.float64(),
            True,
            "probability that this item stood here, given the shopper and what stood above",
        ),
        Column("made_ms", pa.float64(), False, "how long the list took to make"),
        Column("shielded", pa.bool_(), False, "whether its arm's release could not make it"),
        Column("team", pa.string(), False, "arm that put it there, of two in one list"),
        Column(
            "credit",
            pa.float64(),
            False,
            "what a click on it says of two arms in one list: 1 for the first, -1 for the second",
        ),
        Column(
            "by_friends",
            pa.float64(),
            False,
            "share of its score that friends brought, by its reasons; empty: none were asked for",
        ),
    ),
    ("list_id", "item_id"),
    optional=True,
    sorted_by=("shown_ts_ms", "list_id", "position"),
    rules=(
        Rule(
            "propensity",
            "not over 0 and up to 1",
            lambda row: pc.or_(
                pc.less_equal(row["propensity"], 0.0), pc.greater(row["propensity"], 1.0)
            ),
        ),
        Rule("position", "below 0", lambda row: pc.less(row["position"], 0)),
    ),
)
"""Beside the contract as ``schema.ERASED`` is: written by what serves lists, and handed in by no
shop. Files lie in ``impressions/`` beside exported events."""


@dataclass(frozen=True, slots=True)
class ShownList:
    """One list that went to its shopper."""

    list_id: str
    user_id: str
    shown_ts_ms: int
    surface: str
    release: str
    rules: str
    experiment: str
    arm: str
    item_ids: tuple[str, ...]
    """Of one page, from its first place on."""
    propensities: tuple[float, ...]
    """As long as ``item_ids``."""
    first_position: int = 0
    """Place of the page's first item in the whole list."""
    made_ms: float | None = None
    shielded: bool = False
    """Whether the release of its arm could not make it, so that what is live did."""
    teams: tuple[str, ...] = ()
    """Of each item, the arm that put it there; empty: the list is of one arm."""
    credits: tuple[float, ...] = ()
    """Of each item; see ``InterleavedList``."""
    by_friends: tuple[float | None, ...] = ()
    """Of each item, the share of its score that friends brought; empty: it is not known."""


def impressions_table(lists: Iterable[ShownList]) -> pa.Table:
    """Put lists into rows, one an item, in the columns of ``IMPRESSIONS``."""
    lists = list(lists)
    columns: dict[str, list[Any]] = {name: [] for name in IMPRESSIONS.arrow.names}
    for one in lists:
        num = len(one.item_ids)
        for name in ("list_id", "user_id", "shown_ts_ms", "surface", "release", "rules"):
            columns[name].extend([getattr(one, name)] * num)
        for name in ("experiment", "arm", "made_ms", "shielded"):
            columns[name].extend([getattr(one, name)] * num)
        columns["team"].extend(one.teams or [""] * num)
        columns["credit"].extend(one.credits or [None] * num)
        columns["by_friends"].extend(one.by_friends or [None] * num)
        columns["position"].extend(range(one.first_position, one.first_position + num))
        columns["item_id"].extend(one.item_ids)
        columns["propensity"].extend(one.propensities)
    return pa.table(columns, schema=IMPRESSIONS.arrow)


def read_impressions(source: str, since_ms: int = 0) -> pa.Table:
    """Read what lists showed.

    Args:
        source: Folder of tables that has ``impressions/``, that folder itself, or one Parquet file;
            local or of a store.
        since_ms: Files whose names say that all in them is older are not read, milliseconds since
            1970.

    Returns:
        The columns of ``IMPRESSIONS``, in the order of time, list and position. An item that stands
        twice in one list, as a file written again would have it, counts once.

    Raises:
        BadInputError: There is none, or a file has other columns or values.
        UnavailableError: The store does not answer.
    """
    fs, root = open_store(source)
    with reaching(source):
        inside = f"{root}/{IMPRESSIONS.name}"
        paths = parquet_files(fs, inside if fs.exists(inside) else root)
        if not paths:
            raise BadInputError(
                f"{source} holds no impressions: expected Parquet files in "
                f"{IMPRESSIONS.name}/, which serving writes where COTERIE_IMPRESSIONS_SHARE is "
                "over 0"
            )
        late = [one for one in paths if _last_ms(one) >= since_ms] or paths[-1:]
        parts = [_checked(pq.read_table(pa.BufferReader(fs.cat_file(one))), one) for one in late]
    return _once(pa.concat_tables(parts)).sort_by([(name, "ascending") for name in _ORDER])


_ORDER: Final = IMPRESSIONS.order
_NAMED: Final = re.compile(r"-([0-9]{15})_[0-9]{8}\.parquet$")
_NOTHING: Final = {"rules": "", "experiment": "", "arm": "", "shielded": False, "team": ""}
"""What a column says that a file lacks; null where it is none of these."""


def _last_ms(path: str) -> int:
    """Read the newest time in a file of serving's out of its name; of another it is not known."""
    told = _NAMED.search(path)
    return int(told[1]) if told else 1 << 62


def parquet_files(fs: Any, root: str) -> list[str]:
    """Name the Parquet files below a folder of a file system, in the order of their paths."""
    if not fs.exists(root):
        return []
    if fs.isfile(root):
        return [root]
    names = sorted(fs.find(root))
    return [n for n in names if n.endswith(".parquet") and PurePosixPath(n).name[0] not in "._"]


def _checked(rows: pa.Table, path: str) -> pa.Table:
    missing = sorted(set(IMPRESSIONS.required) - set(rows.column_names))
    if missing:
        raise BadInputError(f"{path} lacks the columns {', '.join(missing)} of impressions")
    for one in IMPRESSIONS.columns:
        if one.name not in rows.column_names:
            rows = rows.append_column(
                one.name, pa.array([_NOTHING.get(one.name)] * rows.num_rows, one.type)
            )
    try:
        rows = rows.select(IMPRESSIONS.arrow.names).cast(IMPRESSIONS.arrow)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise BadInputError(f"{path} holds no impressions ({error})") from error
    for name in IMPRESSIONS.required:
        if rows[name].null_count:
            raise BadInputError(f"{path}: {name} is empty in {rows[name].null_count} rows")
    for rule in IMPRESSIONS.rules:
        broken = rule.broken({name: rows[name] for name in rows.column_names})
        if pc.any(broken).as_py():
            bad = rows[rule.column].filter(broken)[0].as_py()
            raise BadInputError(f"{path}: {rule.column} is {bad}, {rule.fault}")
    return rows


def _once(rows: pa.Table) -> pa.Table:
    place = pa.array(range(rows.num_rows), pa.int64())
    keyed = rows.select(list(IMPRESSIONS.key)).append_column("place", place)
    first = keyed.group_by(list(IMPRESSIONS.key)).aggregate([("place", "min")])["place_min"]
    return rows if len(first) == rows.num_rows else rows.take(first)
