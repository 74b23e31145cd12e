"""Bad rows: kept with their reason, counted, and too many of them stop the run."""

from collections.abc import Sequence
from typing import Final

import pyarrow as pa

from coterie.data.clean import Clean
from coterie.data.staging import staged
from coterie.data.stores import open_store, reaching
from coterie.data.tables import write_table
from coterie.errors import BadInputError

QUARANTINE_FILE: Final = "quarantine.parquet"


def judge(cleaned: Sequence[Clean], max_bad_share: float, out: str) -> pa.Table:
    """All bad rows, by table, file and row; or an error, and the rows beside ``out``.

    Raises:
        BadInputError: More than ``max_bad_share`` of a table's rows are bad.
    """
    quarantine = pa.concat_tables([clean.quarantine for clean in cleaned])
    worst = [c for c in cleaned if c.counts.bad > max_bad_share * c.counts.read]
    if not worst:
        return quarantine
    rejected = rejected_folder(out)
    with staged(rejected, (QUARANTINE_FILE,), last=QUARANTINE_FILE) as folder:
        write_table(quarantine, folder / QUARANTINE_FILE)
    raise BadInputError(
        "; ".join(_accuse(clean) for clean in worst)
        + f"; at most {max_bad_share:.1%} may be bad: nothing was written. All bad rows with their "
        f"reasons are in {rejected}/{QUARANTINE_FILE}: mend the export, or raise max_bad_share"
    )


def forget_rejected(out: str) -> None:
    """Remove what an earlier, rejected run left beside ``out``: it speaks of other input."""
    fs, file = open_store(f"{rejected_folder(out)}/{QUARANTINE_FILE}")
    with reaching(out):
        if fs.exists(file):
            fs.rm_file(file)


def rejected_folder(out: str) -> str:
    """Where the bad rows of a run that was stopped lie."""
    return out.rstrip("/") + ".rejected"


def count_reasons(quarantine: pa.Table) -> dict[str, int]:
    """Bad rows by ``table.column: reason``, sorted."""
    keys = ["table", "column", "reason"]
    counts = quarantine.group_by(keys).aggregate([([], "count_all")]).to_pylist()
    named = {f"{c['table']}.{c['column']}: {c['reason']}": c["count_all"] for c in counts}
    return dict(sorted(named.items()))


def _accuse(clean: Clean) -> str:
    first = clean.quarantine.slice(0, 1).to_pylist()[0]
    share = clean.counts.bad / clean.counts.read
    reasons = count_reasons(clean.quarantine)
    often = max(reasons, key=lambda reason: (reasons[reason], reason))
    what = "nothing" if first["found"] is None else repr(first["found"])
    return (
        f"{clean.counts.bad} of {clean.counts.read} rows of {clean.table.name} ({share:.1%}) are "
        f"bad, first {first['file']} row {first['row']}, column {first['column']}: "
        f"{first['reason']} (found {what}); most often {often} ({reasons[often]})"
    )
