"""A real Prometheus scrapes the real app under load: every expression finds what it asks for."""

import json
import math
import shutil
import subprocess
import time

import httpx
import pytest
import yaml
from expressions import drawn, of_ray, selectors, shortened
from test_rules import RULES
from watched_shop import make_shop, served, under_load, wait_for

from coterie.monitoring.rules import alerts, expressions, recordings

PROMETHEUS = shutil.which("prometheus")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        PROMETHEUS is None, reason="needs prometheus, for example of Debian's package"
    ),
]
LOAD_S = 25


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """A function from an expression to its values, asked while the app is under load."""
    folder = tmp_path_factory.mktemp("watched")
    shop = make_shop(folder)
    with (
        served(shop) as addresses,
        under_load(addresses[0], shop.metrics),
        Running(folder, addresses) as url,
    ):
        wait_for(lambda: values(url, "sum(up) == 2"), 120)
        time.sleep(LOAD_S)
        yield lambda expr: values(url, expr)
    shop.log.close()


class Running:
    def __init__(self, folder, addresses):
        for path in RULES:
            content = yaml.safe_load(path.read_text())
            for rule in content["groups"][0]["rules"]:
                rule["expr"] = shortened(rule["expr"])
            (folder / path.name).write_text(json.dumps(content))
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(folder / path.name) for path in RULES],
            "scrape_configs": [
                {"job_name": "coterie", "static_configs": [{"targets": list(addresses)}]}
            ],
        }
        (folder / "prometheus.yml").write_text(json.dumps(config))
        self._folder = folder

    def __enter__(self):
        command = [
            str(PROMETHEUS),
            f"--config.file={self._folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self._folder / 'tsdb'}",
            "--web.listen-address=127.0.0.1:0",
        ]
        self._log = (self._folder / "prometheus.log").open("w")
        self._process = subprocess.Popen(command, stderr=self._log, stdout=self._log)
        wait_for(lambda: self._port() is not None)
        return f"http://127.0.0.1:{self._port()}"

    def _port(self):
        assert self._process.poll() is None, (self._folder / "prometheus.log").read_text()
        text = (self._folder / "prometheus.log").read_text()
        lines = [line for line in text.splitlines() if "Listening on" in line]
        return lines[0].rpartition(":")[2].strip() if lines else None

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait(30)
        self._log.close()


def values(url, expr):
    answer = httpx.get(f"{url}/api/v1/query", params={"query": expr}, timeout=30).json()
    assert answer["status"] == "success", (expr, answer)
    found = [float(series["value"][1]) for series in answer["data"]["result"]]
    return [value for value in found if not math.isnan(value)]


def test_every_panel_shows_something(asked):
    exprs = {shortened(expr) for expr in drawn() if not of_ray(expr)}
    assert len(exprs) > 60
    # A rollback is drawn when there is one.
    empty = [expr for expr in sorted(exprs) if "offset" not in expr and not asked(expr)]
    assert empty == []


def test_every_recorded_series_is_there(asked):
    assert [rule.record for rule in recordings() if not asked(rule.record)] == []


def test_every_series_that_is_asked_for_is_there(asked):
    wanted = {one for expr in (*drawn(), *expressions()) for one in selectors(expr)}
    assert len(wanted) > 60
    missing = [one for one in sorted(wanted) if not of_ray(one) and not asked(one)]
    assert missing == []


def test_what_is_planted_fires_and_what_is_not_does_not(asked):
    """A sixth of lists fail; the pipeline failed, and works again. Windows are of seconds."""
    firing = {alert.name for alert in alerts() if asked(shortened(alert.expr))}
    assert {"CoterieAvailabilityBurnsFast", "CoterieAvailabilityBurnsSlowly"} <= firing
    assert not firing & {
        "CoterieHeartbeatLost",
        "CoterieReleaseOld",
        "CoterieRolledBack",
        "CoterieRolloutWaits",
        "CoterieRolloutDataUnavailable",
        "CoteriePipelineFailed",
        "CoteriePipelineStuck",
        "CoteriePipelineStatusUnread",
        "CoterieScoresDrift",
        "CoterieQuarantineGrows",
    }
