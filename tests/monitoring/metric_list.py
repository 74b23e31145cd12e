"""The list of metrics in ``docs/monitoring.md``: ``python tests/monitoring/metric_list.py``."""

from pathlib import Path

from prometheus_client import CollectorRegistry

from coterie.rollout.exported import RolloutMetrics
from serving.telemetry.metrics import ServingMetrics
from serving.telemetry.pipeline_runs import families

PAGE = Path(__file__).parents[2] / "docs/monitoring.md"
BEGIN, END = "<!-- metrics: begin -->\n", "<!-- metrics: end -->\n"
UNITS = {"seconds": "s", "bits": "bits", "ratio": "share", "bytes": "bytes"}


def exported() -> dict[str, tuple[str, str, str]]:
    """Type, labels and meaning of every metric, by its name without the ends of samples."""
    rollout = CollectorRegistry()
    RolloutMetrics(rollout)
    found = {}
    for registry in (ServingMetrics()._registry, rollout):
        for one in registry._collector_to_names:
            found[one._name] = (one._type, ", ".join(one._labelnames), one._documentation)
    for family in families([], 0.0, 0.0):
        found[family.name] = (family.type, ", ".join(family._labelnames), family.documentation)
    return found


def table() -> str:
    """Markdown."""
    lines = ["| metric | type | unit | labels | what |", "|---|---|---|---|---|"]
    for name, (kind, labels, about) in sorted(exported().items()):
        shown = f"{name}_total" if kind == "counter" else name
        # Units are the last word, before what counters end in.
        unit = UNITS.get(name.rpartition("_")[2], "")
        if name.endswith("_timestamp_seconds"):
            unit = "s since 1970"
        lines.append(f"| `{shown}` | {kind} | {unit} | {labels} | {about.rstrip('.')} |")
    return "\n".join(lines) + "\n"


def renewed(page: str) -> str:
    """The page with today's list."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text()))
