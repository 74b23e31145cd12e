"""Prometheus itself judges the rules: what it can read, and when each alert fires."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from faults import ALIVE, FAULTS

from coterie.monitoring.files import files
from coterie.monitoring.rules import GROUPS, alerts

ROOT = Path(__file__).parents[2]
RULES = sorted((ROOT / "helm/coterie/rules").glob("*.yaml"))
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(
    PROMTOOL is None, reason="needs promtool, for example of Debian's prometheus package"
)


def promtool(*arguments):
    return subprocess.run(
        [str(PROMTOOL), *map(str, arguments)], capture_output=True, text=True, timeout=250
    )


def case(name, series, at, expected, coarse=False):
    """One test of promtool: which alerts fire, with which labels."""
    # Whoever tests something else has replicas that are alive.
    if not any(one.startswith(ALIVE) for one in series):
        series = series | {f'{ALIVE}{{instance="x"}}': "0+240x6000" if coarse else "0+60x600"}
    found = [{"labels": label_set(labels), "value": 1} for labels in expected]
    return {
        "name": name,
        "interval": "4m" if coarse else "1m",
        "input_series": [{"series": one, "values": values} for one, values in series.items()],
        "promql_expr_test": [
            {
                "expr": "count by (alertname, instance, phase, pipeline, table) "
                '(ALERTS{alertstate="firing"})',
                "eval_time": at,
                "exp_samples": found,
            }
        ],
    }


def label_set(labels):
    return "{" + ", ".join(f'{name}="{value}"' for name, value in sorted(labels.items())) + "}"


def cases(fault_of, coarse):
    for number, fault in enumerate(FAULTS):
        expected = [{"alertname": fault.alert, **fault.labels}]
        expected += [{"alertname": name} for name in fault.also]
        if fault.alert == fault_of and fault.coarse is coarse:
            name = f"{number} {fault.alert}"
            yield case(f"{name} fires", fault.bad, fault.at, expected, coarse)
            yield case(f"{name} is silent", fault.good, fault.at, [], coarse)


def touched(rules, alert):
    """Files of an alert, of what its faults' series are read by, and of what misses series."""
    series = [one for fault in FAULTS if fault.alert == alert for one in (*fault.good, *fault.bad)]
    names = {one.partition("{")[0] for one in (*series, ALIVE)} | {alert, "absent"}
    return [path for path in rules if any(name in path.read_text() for name in names)]


def run_cases(folder, rules, alert):
    coarse = any(fault.coarse for fault in FAULTS if fault.alert == alert)
    content = {
        "rule_files": [str(path) for path in touched(rules, alert)],
        "evaluation_interval": "1h" if coarse else "1m",
        "tests": list(cases(alert, coarse)),
    }
    path = folder / "tests.yaml"
    path.write_text(json.dumps(content))
    return promtool("test", "rules", path)


@needs_promtool
def test_prometheus_reads_every_rule():
    done = promtool("check", "rules", *RULES)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
@pytest.mark.slow
@pytest.mark.parametrize("alert", [alert.name for alert in alerts()])
def test_an_alert_fires_on_its_fault_and_is_silent_without_it(tmp_path, alert):
    done = run_cases(tmp_path, RULES, alert)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_fault():
    assert {fault.alert for fault in FAULTS} == {alert.name for alert in alerts()}


def test_the_chart_ships_what_the_code_makes():
    chart = ROOT / "helm/coterie"
    shipped = {
        path.relative_to(chart).as_posix(): path.read_text()
        for folder in ("dashboards", "rules")
        for path in (chart / folder).iterdir()
    }
    assert shipped == dict(files()), "run python -m coterie.monitoring --out helm/coterie"


def test_every_alert_has_a_section_in_the_runbook():
    headings = [
        line.removeprefix("### ").strip()
        for line in (ROOT / "docs/runbook.md").read_text().splitlines()
        if line.startswith("### Coterie")
    ]
    assert headings == [alert.name for alert in alerts()]
    assert {alert.runbook_url for alert in alerts()} == {
        f"docs/runbook.md#{heading.lower()}" for heading in headings
    }


def test_our_yaml_means_what_the_rules_say():
    for group in GROUPS:
        [read] = yaml.safe_load(files()[f"rules/{group.name.removeprefix('coterie-')}.yaml"])[
            "groups"
        ]
        assert [rule["expr"] for rule in read["rules"]] == [rule.expr for rule in group.rules]
        for rule in read["rules"]:
            if "alert" in rule:
                assert rule["labels"]["severity"] in ("page", "ticket")
                assert {"summary", "description", "runbook_url"} == set(rule["annotations"])
