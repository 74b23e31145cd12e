"""Take a shop in."""

from kfp.dsl import Dataset, Output

from components._base import component


@component
def ingest(
    clean: Output[Dataset],
    source: str,
    dataset: str,
    mapping: str,
    max_bad_share: float,
    runner: str,
    pipeline: str,
    version: str,
    status: str,
) -> str:
    """Clean the tables of ``source``; the answer is the version that this run makes."""
    from components.progress import noted, printed
    from coterie.data.ingest import IngestConfig, put_aside
    from coterie.workflow.sources import name_version, take_in
    from coterie.workflow.status import record_rows, recorded

    # Any other runner than these two is refused where it is chosen.
    config = IngestConfig(max_bad_share=max_bad_share, runner=runner)  # type: ignore[arg-type]
    name = name_version(version)
    with recorded(status, name, "ingest", pipeline):
        take_in(source, clean.path, dataset, config, printed, mapping)
        record_rows(status, name, clean.path)
    for line in put_aside(clean.path):
        noted(line)
    return name
