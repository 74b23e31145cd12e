"""Take a shop's tables in."""

from typing import NamedTuple

from kfp.dsl import Dataset, Output

from components._base import component


@component
def ingest(
    clean: Output[Dataset],
    source: str,
    dataset: str,
    mapping: str,
    max_bad_share: float,
    keep_days: float,
    runner: str,
    content: str,
    pseudonyms: bool,
    pipeline: str,
    version: str,
    status: str,
) -> NamedTuple("Taken", [("version", str), ("read_ms", int)]):  # type: ignore[valid-type]
    """Clean the tables of ``source``, and return the version that this run makes and the time when
    it read them, milliseconds since 1970, UTC."""
    import time

    from components.environment import kept_days, pseudonym_keys
    from components.progress import print_note, print_progress
    from coterie.data.ingest import IngestConfig, put_aside
    from coterie.workflow.sources import name_version, take_in
    from coterie.workflow.status import record_rows, recorded

    # Any other runner than these two is refused where it is chosen.
    config = IngestConfig(
        max_bad_share=max_bad_share,
        runner=runner,  # type: ignore[arg-type]
        pseudonyms=pseudonym_keys(pseudonyms),
        keep_days=kept_days(keep_days),
    )
    name, read_ms = name_version(version), time.time_ns() // 1_000_000
    with recorded(status, name, "ingest", pipeline):
        if content.strip():
            # What a later step could not be made of is told before hours of work, not after.
            from coterie.workflow.content import ContentSettings

            ContentSettings.read(content)
        take_in(source, clean.path, dataset, config, print_progress, mapping)
        record_rows(status, name, clean.path)
    for line in put_aside(clean.path):
        print_note(line)
    return name, read_ms
