"""Take a shop in, whatever form its data have."""

import tempfile
from datetime import UTC, datetime

from coterie.data.ingest import IngestConfig, IngestReport, ingest
from coterie.data.mapping.document import read_mapping
from coterie.data.public import convert
from coterie.errors import BadInputError
from coterie.progress import Progress, silent


def take_in(
    source: str,
    out: str,
    dataset: str = "",
    config: IngestConfig | None = None,
    progress: Progress = silent,
    mapping: str = "",
) -> IngestReport:
    """Clean a shop's tables; bring a public data set into the contract first.

    Args:
        source: Folder or URL of the tables, or of a public set in its original form.
        out: Folder for the clean tables.
        dataset: Name of the public set; empty for tables of the contract.
        config: How strict, and where it runs.
        progress: Called table by table.
        mapping: File or URL that says what the files of ``source`` are; empty for tables of the
            contract.

    Raises:
        BadInputError: The data are not in the form that they should have, or too many rows are bad.
        UnavailableError: A store does not answer.
    """
    config = config or IngestConfig()
    if dataset and mapping:
        raise BadInputError(f"dataset is {dataset} and mapping {mapping}: a data set needs none")
    if not dataset:
        explained = read_mapping(mapping) if mapping else None
        return ingest(source, out, config, progress, explained)
    with tempfile.TemporaryDirectory(prefix="coterie-raw-") as raw:
        convert(dataset, source, raw)
        return ingest(raw, out, config, progress)


def name_version(wanted: str = "") -> str:
    """Name the version that a run makes: the one wanted, or the time of day in UTC.

    >>> name_version("v7")
    'v7'
    """
    return wanted or datetime.now(UTC).strftime("%Y%m%d%H%M%S")
