"""From tables to a release: what runs left behind."""

from typing import Final

from coterie import metric_names
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
                    [PanelQuery(f"max({metric_names.PIPELINE_RUNNING})", "running")],
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
                            f"time() - max by (pipeline) ({metric_names.PIPELINE_LAST_SUCCESS})",
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
                            f"time() - max by (pipeline) ({metric_names.PIPELINE_LAST_FAILURE})",
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
                    [PanelQuery(f"max({metric_names.PIPELINE_FAILURES})", "failed")],
                    "none",
                    "stat",
                    above(1, 5),
                    width=5,
                ),
                Panel(
                    "Read",
                    "How long ago serving last read how runs stand: everything here is as old.",
                    [PanelQuery(newest(metric_names.PIPELINE_STATUS_READ), "read")],
                    "s",
                    "stat",
                    above(60, 600),
                    width=4,
                ),
                Panel(
                    "Time of steps",
                    "Of the newest run; a step that runs is still growing.",
                    [PanelQuery(f"max by (step) ({metric_names.PIPELINE_STEP})", "{{step}}")],
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
                    [PanelQuery(f"max by (table) ({metric_names.INGESTED_ROWS})", "{{table}}")],
                ),
                Panel(
                    "Rows put aside",
                    "Bad ones, by table; they lie with their reasons beside the clean tables.",
                    [PanelQuery(f"max by (table) ({metric_names.QUARANTINED_ROWS})", "{{table}}")],
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
