"""From what a shop exports to clean tables: checked, counted, written whole or not at all."""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pyarrow as pa

from coterie.data.clean import Clean, Counts, clean_table
from coterie.data.engine import Runner
from coterie.data.quarantine import QUARANTINE_FILE, count_reasons, forget_rejected, judge
from coterie.data.staging import staged
from coterie.data.stores import open_store, reaching
from coterie.data.tables import has_table, read_table, write_table
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

FILES: Final = (*(f"{name}.parquet" for name in TABLES), QUARANTINE_FILE, INGEST_REPORT)
_ORDER: Final = (ITEMS, USERS, TIES, EVENTS)


@dataclass(frozen=True, slots=True)
class IngestConfig:
    """How strict ingest is, and where it runs."""

    max_bad_share: float = 0.05
    """Of a table's rows; one row more stops the run."""
    runner: Runner = "native"
    """Where Daft works: this machine, or the Ray cluster of the process."""
    now: datetime | None = None
    """Times after it are impossible; None takes the clock's, once a run."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.max_bad_share <= 1.0:
            raise BadInputError(f"max_bad_share is {self.max_bad_share}, expected 0 to 1")
        if self.now is not None and self.now.tzinfo is None:
            raise BadInputError("now has no time zone: give it one, e.g. UTC")


@dataclass(frozen=True, slots=True)
class IngestReport:
    """What ingest did; written as JSON, last of all. The same input, the same report."""

    fingerprint: str
    """Digest of the clean tables."""
    tables: dict[str, Counts]
    reasons: dict[str, int]
    """Bad rows by ``table.column: reason``."""
    files: dict[str, str]
    """SHA-256 of every file."""
    schema_version: int = SCHEMA_VERSION

    def to_json(self) -> str:
        """Sorted and indented, to be read by people too."""
        return json.dumps(asdict(self), indent=2, sort_keys=True) + "\n"


def ingest(
    source: str, out: str, config: IngestConfig = IngestConfig(), progress: Progress = silent
) -> IngestReport:
    """Check the tables of ``source`` and write them clean to ``out``.

    Args:
        source: Folder with events, ties, items and perhaps users; Parquet, CSV or JSON Lines;
            local or of a store.
        out: Folder to write, likewise; replaced when all went well, else left as it was.
        config: How strict, and where.
        progress: Told after every table.

    Raises:
        BadInputError: A table is missing, unreadable or empty, or too many of its rows are bad;
            then all bad rows lie in ``<out>.rejected/quarantine.parquet``.
        UnavailableError: A store does not answer.
    """
    _refuse_places(source, out)
    now = config.now or datetime.now(UTC)
    cleaned: dict[str, Clean] = {}
    for step, table in enumerate(_ORDER):
        progress(f"ingest {table.name}", step, len(_ORDER) + 1)
        items = cleaned[ITEMS.name].data["item_id"] if table is EVENTS else None
        cleaned[table.name] = _clean(table, source, config.runner, now, items)
    quarantine = judge(list(cleaned.values()), config.max_bad_share, out)
    _refuse_nothing(cleaned, source)
    progress("write clean tables", len(_ORDER), len(_ORDER) + 1)
    with staged(out, FILES, last=INGEST_REPORT) as folder:
        report = _write(folder, cleaned, quarantine)
    forget_rejected(out)
    progress("ingest", len(_ORDER) + 1, len(_ORDER) + 1)
    return report


def put_aside(clean: str) -> list[str]:
    """What ingest put in quarantine, in words: a line a table, none where every row was good.

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
    ]


def _most_often(reasons: dict[str, int], table: str) -> str:
    own = {reason: count for reason, count in reasons.items() if reason.startswith(f"{table}.")}
    often = max(own, key=lambda reason: (own[reason], reason))
    return f"{often} ({own[often]:,})"


def _clean(
    table: Table, source: str, runner: Runner, now: datetime, items: pa.ChunkedArray | None
) -> Clean:
    if table.optional and not has_table(table, source):
        return Clean.none(table)
    return clean_table(table, read_table(table, source, runner), now, runner, items)


def _write(folder: Path, cleaned: dict[str, Clean], quarantine: pa.Table) -> IngestReport:
    """All tables into a folder, the report last."""
    files: dict[str, str] = {}
    tables = {f"{name}.parquet": cleaned[name].data for name in TABLES}
    for name, data in {**tables, QUARANTINE_FILE: quarantine}.items():
        write_table(data, folder / name)
        files[name] = _digest(folder / name)
    clean_digests = "".join(f"{name} {files[name]}\n" for name in tables)
    report = IngestReport(
        fingerprint=hashlib.sha256(clean_digests.encode()).hexdigest(),
        tables={name: cleaned[name].counts for name in TABLES},
        reasons=count_reasons(quarantine),
        files=files,
    )
    (folder / INGEST_REPORT).write_text(report.to_json(), encoding="utf-8")
    return report


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _refuse_places(source: str, out: str) -> None:
    """The swap replaces ``out``: what is read must not lie in it."""
    read, written = (open_store(path)[1] for path in (source, out))
    if f"{read}/".startswith(f"{written}/"):
        raise BadInputError(f"{source} lies in {out}, which is to be written: name another folder")


def _refuse_nothing(cleaned: dict[str, Clean], source: str) -> None:
    for table in (EVENTS, ITEMS):
        if cleaned[table.name].counts.kept == 0:
            raise BadInputError(f"{source} has no good row of {table.name}: there is no shop")
