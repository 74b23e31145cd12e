"""From tables to a release: what runs left behind."""

from typing import Final

from coterie.monitoring.panels import Dashboard, Panel, PanelQuery, Row
from coterie.monitoring.queries import above, newest
from coterie.monitoring.rules import BAD_ROWS, BAD_SHARE, LONG_RUN_S, TOO_BAD_ROWS

PIPELINES: Final = Dashboard(
    "pipelines",
    "Coterie / Pipelines",
    "From tables to a release. Exported by serving where COTERIE_PIPELINE_STATUS is set.",
    (
        Row(
            "Runs",
            (
                Panel(
                    "Runs for",
                    "Time since the newest run began, while it goes on; else 0.",
                    [PanelQuery("max(coterie_pipeline_running_seconds)", "running")],
                    "s",
                    "stat",
                    above(LONG_RUN_S / 2, LONG_RUN_S),
                    width=5,
                ),
                Panel(
                    "Last success",
                    "How long ago a run last ended well.",
                    [
                        PanelQuery(
                            "time() - max by (pipeline) "
                            "(coterie_pipeline_last_success_timestamp_seconds)",
                            "{{pipeline}}",
                        )
                    ],
                    "s",
                    "stat",
                    above(2 * 86400, 7 * 86400),
                    width=5,
                ),
                Panel(
                    "Last failure",
                    "How long ago a run last failed.",
                    [
                        PanelQuery(
                            "time() - max by (pipeline) "
                            "(coterie_pipeline_last_failure_timestamp_seconds)",
                            "{{pipeline}}",
                        )
                    ],
                    "s",
                    "stat",
                    width=5,
                ),
                Panel(
                    "Failed, of the last 50",
                    "Runs that failed among those that are remembered; stopped ones are not.",
                    [PanelQuery("max(coterie_pipeline_failures)", "failed")],
                    "none",
                    "stat",
                    above(1, 5),
                    width=5,
                ),
                Panel(
                    "Read",
                    "How long ago serving last read how runs stand: everything here is as old.",
                    [PanelQuery(newest("coterie_pipeline_status_read_timestamp_seconds"), "read")],
                    "s",
                    "stat",
                    above(60, 600),
                    width=4,
                ),
                Panel(
                    "Time of steps",
                    "Of the newest run; a step that runs is still growing.",
                    [PanelQuery("max by (step) (coterie_pipeline_step_seconds)", "{{step}}")],
                    "s",
                    stacked=True,
                    width=24,
                ),
            ),
        ),
        Row(
            "Rows",
            (
                Panel(
                    "Rows taken",
                    "By the last ingest, by table. A fall is an export that was cut off.",
                    [PanelQuery("max by (table) (coterie_ingested_rows)", "{{table}}")],
                ),
                Panel(
                    "Rows put aside",
                    "Bad ones, by table; they lie with their reasons beside the clean tables.",
                    [PanelQuery("max by (table) (coterie_quarantined_rows)", "{{table}}")],
                ),
                Panel(
                    "Share put aside",
                    "Over 5 % ingest stops, unless it was told otherwise.",
                    [PanelQuery(BAD_SHARE, "{{table}}")],
                    "percentunit",
                    steps=above(BAD_ROWS, TOO_BAD_ROWS),
                ),
            ),
        ),
    ),
    span="now-7d",
)
