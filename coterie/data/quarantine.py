"""Bad rows: kept with their reason, counted, and too many of them stop the run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa

from coterie.data.clean import Clean
from coterie.data.parquet import table_writer
from coterie.data.staging import staged
from coterie.data.stores import open_store, reaching
from coterie.errors import BadInputError
from coterie.schema import QUARANTINE

QUARANTINE_FILE: Final = "quarantine.parquet"


def judge(cleaned: Sequence[Clean], max_bad_share: float, out: str) -> None:
    """Stop where too much is bad, and leave the bad rows beside ``out``.

    Raises:
        BadInputError: More than ``max_bad_share`` of a table's rows are bad.
    """
    worst = [c for c in cleaned if c.counts.bad > max_bad_share * c.counts.read]
    if not worst:
        return
    rejected = rejected_folder(out)
    with staged(rejected, (QUARANTINE_FILE,), last=QUARANTINE_FILE) as folder:
        write_quarantine(cleaned, folder / QUARANTINE_FILE)
    raise BadInputError(
        "; ".join(_accuse(clean) for clean in worst)
        + f"; at most {max_bad_share:.1%} may be bad: nothing was written. All bad rows with their "
        f"reasons are in {rejected}/{QUARANTINE_FILE}: mend the export, or raise max_bad_share"
    )


def write_quarantine(cleaned: Sequence[Clean], file: Path) -> None:
    """Write all bad rows, and those with a note, by table, file and row."""
    with table_writer(file, QUARANTINE) as writer:
        for clean in cleaned:
            with pa.memory_map(str(clean.quarantine)) as content:
                rows = pa.ipc.open_file(content)
                for batch in range(rows.num_record_batches):
                    writer.write_batch(rows.get_batch(batch))


def forget_rejected(out: str) -> None:
    """Remove what an earlier, rejected run left beside ``out``: it speaks of other input."""
    fs, file = open_store(f"{rejected_folder(out)}/{QUARANTINE_FILE}")
    with reaching(out):
        if fs.exists(file):
            fs.rm_file(file)


def rejected_folder(out: str) -> str:
    """Name where the bad rows of a run that was stopped lie."""
    return out.rstrip("/") + ".rejected"


def count_reasons(cleaned: Sequence[Clean]) -> dict[str, int]:
    """Count rows in quarantine by ``table.column: reason``, sorted."""
    named = {
        f"{clean.table.name}.{column}: {reason}": count
        for clean in cleaned
        for (column, reason), count in clean.reasons.items()
    }
    return dict(sorted(named.items()))


def _accuse(clean: Clean) -> str:
    first = clean.first_bad or {}
    share = clean.counts.bad / clean.counts.read
    reasons = count_reasons([clean])
    often = max(reasons, key=lambda reason: (reasons[reason], reason))
    what = "nothing" if first["found"] is None else repr(first["found"])
    return (
        f"{clean.counts.bad} of {clean.counts.read} rows of {clean.table.name} ({share:.1%}) are "
        f"bad, first {first['file']} row {first['row']}, column {first['column']}: "
        f"{first['reason']} (found {what}); most often {often} ({reasons[often]})"
    )
