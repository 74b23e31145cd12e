"""From what a shop exports to clean tables: checked, counted, written whole or not at all."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from coterie.data.changed_tables import States, changed, num_changed, read_changes
from coterie.data.checks import TAKEN_AS_NO
from coterie.data.clean import Clean, Counts, clean_table
from coterie.data.engine import Runner
from coterie.data.formats import FORMATS
from coterie.data.mapping.folder import open_mapped
from coterie.data.mapping.model import Mapping
from coterie.data.parquet import ROW_GROUP, table_writer
from coterie.data.pseudonymous import PseudonymousRows, suppressed_before
from coterie.data.pseudonyms import NO_KEYS, PseudonymKeys
from coterie.data.quarantine import (
    QUARANTINE_FILE,
    count_reasons,
    forget_rejected,
    judge,
    write_quarantine,
)
from coterie.data.shared_ids import SharedIds, count_distinct, judge_shared
from coterie.data.spill import sorted_by
from coterie.data.staging import staged
from coterie.data.stores import open_store, reaching
from coterie.data.suppressed import suppressed_in, without_suppressed
from coterie.data.table_files import PassedOver
from coterie.data.tables import TableSource, open_folder
from coterie.errors import BadInputError
from coterie.progress import Progress, silent
from coterie.schema import (
    EVENTS,
    INGEST_REPORT,
    ITEMS,
    SCHEMA_VERSION,
    TABLES,
    TIES,
    USERS,
    Table,
)

_MOST_DAYS: Final = 36_500
_FIRST: Final = (ITEMS, USERS, TIES, EVENTS)
"""Tables that are known by name here, in the order that they are read."""


def clean_files() -> tuple[str, ...]:
    """Name all files of a clean folder, the report last."""
    return (*(f"{name}.parquet" for name in TABLES), QUARANTINE_FILE, INGEST_REPORT)


@dataclass(frozen=True, slots=True)
class IngestConfig:
    """How strict ingest is, and where it runs."""

    max_bad_share: float = 0.05
    """Share of a table's rows that may be bad; one row more stops the run."""
    runner: Runner = "native"
    """Where rows are checked: this machine, or the Ray cluster of the process."""
    now: datetime | None = None
    """Times after it are impossible; None takes the clock's, once a run."""
    keep_days: float = 0.0
    """Events that are older are left out, and counted; 0: all are kept."""
    pseudonyms: PseudonymKeys = NO_KEYS
    """What makes pseudonyms of people's ids; without keys ids are kept as they are."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.max_bad_share <= 1.0:
            raise BadInputError(f"max_bad_share is {self.max_bad_share}, expected 0 to 1")
        if not 0.0 <= self.keep_days <= _MOST_DAYS:
            raise BadInputError(f"keep_days is {self.keep_days}, expected 0 to {_MOST_DAYS}")
        if self.now is not None and self.now.tzinfo is None:
            raise BadInputError("now has no time zone: give it one, e.g. UTC")


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What ingest did; written as JSON, last of all. The same input, the same report."""

    fingerprint: str
    """Digest of the clean tables."""
    tables: dict[str, Counts]
    reasons: dict[str, int]
    """Rows in quarantine by ``table.column: reason``."""
    files: dict[str, str]
    """SHA-256 of every file written."""
    sources: dict[str, dict[str, int]]
    """Files that were read, with their rows, by table."""
    passed_over: list[PassedOver]
    """Files that were found and not read."""
    shared: SharedIds
    """How many people and items the tables have in common."""
    dropped: dict[str, dict[str, int]] = field(default_factory=dict)
    """Rows that the mapping leaves out, by table and reason; not among those read."""
    changed: dict[str, int] = field(default_factory=dict)
    """Rows of which changes that were made live say something, by table."""
    notes: list[str] = field(default_factory=list)
    """Tables that the mapping says there are none of, and what follows."""
    warnings: list[str] = field(default_factory=list)
    """What a person should look at."""
    pseudonym_key: str = ""
    """Name of the key that ids are pseudonyms under; empty where they are the shop's own."""
    schema_version: int = SCHEMA_VERSION

    def to_json(self) -> str:
        """Write it sorted and indented, to be read by people too."""
        return json.dumps(asdict(self), indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def ingest(
    source: str,
    out: str,
    config: IngestConfig = IngestConfig(),
    progress: Progress = silent,
    mapping: Mapping | None = None,
) -> IngestReport:
    """Check the tables of ``source`` and write them clean to ``out``.

    Args:
        source: Folder with events, ties, items and perhaps users; Parquet, CSV or JSON Lines;
            local or of a store. What its ``changes/`` says of rows stands over them.
        out: Folder to write, likewise; replaced when all went well, else left as it was.
        config: How strict, and where.
        progress: Told after every table.
        mapping: What the files of ``source`` are, where they are not those of the contract.

    Raises:
        BadInputError: A table is missing, unreadable or empty, too many of its rows are bad, or
            tables speak of other people or items; bad rows then lie in
            ``<out>.rejected/quarantine.parquet``.
        UnavailableError: A store does not answer.
    """
    _refuse_overlap(source, out)
    states = read_changes(source, config.pseudonyms)
    with open_mapped(source, mapping) if mapping else open_folder(source) as found:
        return ingest_source(found, source, out, config, progress, states)


def ingest_source(
    source: TableSource,
    name: str,
    out: str,
    config: IngestConfig,
    progress: Progress = silent,
    states: States = MappingProxyType({}),
) -> IngestReport:
    """Check tables, wherever they come from, and write them clean; see :func:`ingest`.

    Args:
        source: The tables.
        name: What errors call it.
        out: Folder to write.
        config: How strict, and where.
        progress: Told after every table.
        states: What was changed live; it stands over what the tables say.
    """
    _refuse_missing(source, name)
    keys, gone = config.pseudonyms, suppressed_in(states)
    states, gone = without_suppressed(states, gone), suppressed_before(gone, keys)
    people = PseudonymousRows(keys)
    now = config.now or datetime.now(UTC)
    oldest = now - timedelta(days=config.keep_days) if config.keep_days else None
    order = (*_FIRST, *_others())
    steps = len(order) + 1
    # Reading is within as well: who else writes there, or what else lies there, is found first.
    with staged(out, clean_files(), last=INGEST_REPORT) as folder:
        scratch = folder / "scratch"
        scratch.mkdir()
        cleaned: dict[str, Clean] = {}
        for step, table in enumerate(order):
            progress(f"ingest {table.name}", step, steps)
            cleaned[table.name] = clean_table(
                table, source, scratch, now, config.runner, gone, oldest, people
            )
        judge(list(cleaned.values()), config.max_bad_share, out)
        _refuse_nothing(cleaned, name)
        progress("write clean tables", len(order), steps)
        report = _write(folder, cleaned, source, states, keys.name)
        shutil.rmtree(scratch)
    forget_rejected(out)
    progress("ingest", steps, steps)
    return report


def put_aside(clean: str) -> list[str]:
    """Say what ingest put in quarantine, a line a table, and what it warns of.

    Args:
        clean: Folder that ``ingest`` wrote.
    """
    fs, folder = open_store(clean)
    with reaching(clean):
        report = json.loads(fs.cat_file(f"{folder}/{INGEST_REPORT}"))
    return [
        f"{counts['bad']:,} of {counts['read']:,} rows of {name} are bad and were put aside, "
        f"most often {_most_often(report['reasons'], name)}: {folder}/{QUARANTINE_FILE}"
        for name, counts in report["tables"].items()
        if counts["bad"]
    ] + list(report.get("warnings", []))


def _most_often(reasons: dict[str, int], table: str) -> str:
    own = {reason: count for reason, count in reasons.items() if reason.startswith(f"{table}.")}
    often = max(own, key=lambda reason: (own[reason], reason))
    return f"{often} ({own[often]:,})"


def _write(
    folder: Path, cleaned: dict[str, Clean], source: TableSource, states: States, key: str
) -> IngestReport:
    """Write all tables into a folder, the report last."""
    for table in (EVENTS, TIES, *_others()):
        clean = cleaned[table.name]
        # Sorted parts go past one by one; a row of a change may be anywhere among them.
        whole = (
            changed(table, _whole(clean), states[table.name]) if states.get(table.name) else None
        )
        _write_parts(clean.parts() if whole is None else iter([whole]), table, folder)
    events, ties = (folder / f"{table.name}.parquet" for table in (EVENTS, TIES))
    people, tied = (
        count_distinct(events, ("user_id", "referrer_user_id")),
        count_distinct(ties, ("src_user_id", "dst_user_id")),
    )
    event_items = count_distinct(events, ("item_id",))
    items = changed(ITEMS, _whole(cleaned[ITEMS.name]), states.get(ITEMS.name, {}))
    users = _users(
        cleaned[USERS.name], pa.chunked_array([*people["id"].chunks, *tied["id"].chunks])
    )
    users = changed(USERS, users, states.get(USERS.name, {}))
    shared, warnings = judge_shared(people, event_items, tied, users["user_id"], items["item_id"])
    items = _with_undescribed(items, event_items["id"], cleaned[ITEMS.name])
    _write_parts(iter([items]), ITEMS, folder)
    _write_parts(iter([users]), USERS, folder)
    write_quarantine(list(cleaned.values()), folder / QUARANTINE_FILE)
    names = [f"{name}.parquet" for name in TABLES]
    files = {name: _digest(folder / name) for name in (*names, QUARANTINE_FILE)}
    clean_digests = "".join(f"{name} {files[name]}\n" for name in names)
    report = IngestReport(
        fingerprint=hashlib.sha256(clean_digests.encode()).hexdigest(),
        tables={name: cleaned[name].counts for name in TABLES},
        reasons=count_reasons(list(cleaned.values())),
        files=files,
        sources={name: cleaned[name].files for name in TABLES},
        passed_over=list(source.passed_over),
        shared=shared,
        dropped={name: dict(why) for name, why in source.dropped.items() if why},
        changed=num_changed(states),
        notes=list(source.notes),
        warnings=[*_of_consent(cleaned[USERS.name]), *warnings],
        pseudonym_key=key,
    )
    (folder / INGEST_REPORT).write_text(report.to_json(), encoding="utf-8")
    return report


def _others() -> list[Table]:
    """Name the tables that have nothing to do with others."""
    return [table for table in TABLES.values() if table not in _FIRST]


def _write_parts(parts: Iterator[pa.Table], table: Table, folder: Path) -> None:
    """Write sorted parts; where they were cut makes no difference to the bytes."""
    unique = table.order
    with (
        table_writer(folder / f"{table.name}.parquet", table.arrow, unique) as writer,
        ThreadPoolExecutor(1) as pool,
    ):
        held = table.arrow.empty_table()
        written: Future[None] | None = None
        for part in parts:
            held = pa.concat_tables([held, part])
            whole = held.num_rows - held.num_rows % ROW_GROUP
            if not whole:
                continue
            if written is not None:
                written.result()
            # The next part is made while this one is packed.
            written = pool.submit(writer.write_table, held.slice(0, whole), ROW_GROUP)
            held = held.slice(whole)
        if written is not None:
            written.result()
        writer.write_table(held, row_group_size=ROW_GROUP)


def _whole(clean: Clean) -> pa.Table:
    return pa.concat_tables([clean.table.arrow.empty_table(), *clean.parts()])


def _users(clean: Clean, known: pa.ChunkedArray) -> pa.Table:
    """List all who said something, and those whose word could not be read, who refuse."""
    suspects = pa.array(sorted(clean.suspects), pa.string())
    met = suspects.filter(pc.is_in(suspects, value_set=known))
    clean.refusing.update(met.to_pylist())
    return _whole(clean)


def _with_undescribed(items: pa.Table, named: pa.ChunkedArray, clean: Clean) -> pa.Table:
    """Add items that events name and nobody describes: learned from, and not to be had."""
    missing = named.filter(pc.invert(pc.is_in(named, value_set=items["item_id"])))
    if len(missing) == 0:
        return items
    more = {
        "item_id": missing,
        "title": missing,
        "available": pa.repeat(pa.scalar(False), len(missing)),
    }
    rows = pa.table(
        [more.get(f.name, pa.nulls(len(missing), f.type)) for f in ITEMS.arrow], schema=ITEMS.arrow
    )
    clean.counts = replace(
        clean.counts,
        kept=clean.counts.kept + len(missing),
        added=clean.counts.added + len(missing),
    )
    return sorted_by(pa.concat_tables([items, rows]), ["item_id"])


def _of_consent(clean: Clean) -> list[str]:
    said = []
    if clean.counts.taken_as_no:
        said.append(
            f"{clean.counts.taken_as_no:,} rows of users have a consent that is {TAKEN_AS_NO}; "
            f"{QUARANTINE_FILE} names them"
        )
    if clean.refusing:
        said.append(f"{len(clean.refusing):,} people whose row of users is bad are taken to refuse")
    return said


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _refuse_overlap(source: str, out: str) -> None:
    """Refuse input that lies in ``out``, which the swap replaces."""
    read, written = (open_store(path)[1] for path in (source, out))
    if f"{read}/".startswith(f"{written}/"):
        raise BadInputError(f"{source} lies in {out}, which is to be written: name another folder")


def _refuse_missing(source: TableSource, name: str) -> None:
    needed = [t for t in TABLES.values() if not t.optional and t.name not in source.without]
    missing = [table.name for table in needed if not source.files(table)]
    if missing:
        passed = [found.file for found in source.passed_over]
        raise BadInputError(
            f"{name} has no {', no '.join(missing)}: expected "
            f"{missing[0]}.{{{','.join(FORMATS)}}} or a folder {missing[0]}/ of such files"
            + (f"; it holds {', '.join(passed[:5])}" if passed else "")
        )


def _refuse_nothing(cleaned: dict[str, Clean], source: str) -> None:
    for table in [table for table in TABLES.values() if table.needed]:
        counts = cleaned[table.name].counts
        if counts.read == counts.bad:
            raise BadInputError(f"{source} has no good row of {table.name}: there is no shop")
