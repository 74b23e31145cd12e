"""The files that the chart ships: what Grafana and Prometheus read."""

import json
from collections.abc import Mapping
from pathlib import Path

from coterie.monitoring.dashboards import DASHBOARDS
from coterie.monitoring.rule_files import as_yaml
from coterie.monitoring.rules import GROUPS


def files() -> Mapping[str, str]:
    """Make the content of each file, by path within the chart: the same code, the same bytes."""
    drawn = {
        f"dashboards/{board.name}.json": json.dumps(board.as_json(), indent=2) + "\n"
        for board in DASHBOARDS
    }
    ruled = {
        f"rules/{group.name.removeprefix('coterie-')}.yaml": as_yaml(group) for group in GROUPS
    }
    return drawn | ruled


def write_files(out: str) -> list[Path]:
    """Write all files under a folder, and remove dashboards and rules that there are no more."""
    content = files()
    for folder, ending in (("dashboards", "json"), ("rules", "yaml")):
        Path(out, folder).mkdir(parents=True, exist_ok=True)
        for path in Path(out, folder).glob(f"*.{ending}"):
            if f"{folder}/{path.name}" not in content:
                path.unlink()
    for name, text in content.items():
        Path(out, name).write_text(text, encoding="utf-8")
    return [Path(out, name) for name in content]
