import json

import pytest
from expressions import base, drawn, names, of_ray
from fastapi.testclient import TestClient
from metric_list import PAGE, exported, renewed
from watched_shop import make_shop

from coterie.monitoring.dashboards import DASHBOARDS
from coterie.monitoring.files import write_files
from coterie.monitoring.rules import LISTS_ROUTE, QUICK_S, expressions, recordings
from serving.telemetry.series import LATENCY_BUCKETS


def test_dashboards_and_rules_name_only_what_is_exported():
    known = {base(name) for name in exported()} | {rule.record for rule in recordings()}
    asked = {name for expr in (*drawn(), *expressions()) for name in names(expr)}
    assert {name for name in asked if not of_ray(name)} - known == set()


def test_every_metric_that_is_exported_is_watched():
    asked = {name for expr in (*drawn(), *expressions()) for name in names(expr)}
    assert {base(name) for name in exported()} - asked == set()


def test_the_list_of_metrics_is_that_of_the_code():
    page = PAGE.read_text()
    assert renewed(page) == page, "run python tests/monitoring/metric_list.py"
    assert all(f"`{name}" in page for name in exported())


def test_the_limit_of_latency_is_a_border_of_a_bucket():
    assert QUICK_S in LATENCY_BUCKETS


def test_the_route_of_lists_is_one_that_is_served(tmp_path):
    shop = make_shop(tmp_path)
    paths = TestClient(shop.app).get("/openapi.json").json()["paths"]
    shop.log.close()
    assert LISTS_ROUTE in paths


@pytest.mark.parametrize("board", DASHBOARDS, ids=lambda board: board.name)
class TestEachDashboard:
    def test_every_panel_says_what_it_means_and_in_which_unit(self, board):
        for panel in board.panels:
            assert panel.about.endswith("."), panel.title
            assert panel.unit
            assert panel.queries
        titles = [panel.title for panel in board.panels]
        assert len(set(titles)) == len(titles)

    def test_panels_do_not_overlap_and_fit_the_page(self, board):
        taken = set()
        for panel in board.as_json()["panels"]:
            place = panel["gridPos"]
            cells = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert not cells & taken, panel["title"]
            assert place["x"] + place["w"] <= 24
            taken |= cells

    def test_grafana_finds_what_it_needs(self, board):
        drawn = json.loads(json.dumps(board.as_json()))
        assert drawn["uid"] == f"coterie-{board.name}"
        assert len(drawn["uid"]) <= 40
        assert drawn["schemaVersion"] >= 38
        [variable] = drawn["templating"]["list"]
        assert (variable["name"], variable["type"]) == ("datasource", "datasource")
        numbers = [panel["id"] for panel in drawn["panels"]]
        assert len(set(numbers)) == len(numbers)
        for panel in drawn["panels"]:
            if panel["type"] == "row":
                continue
            assert panel["datasource"]["uid"] == "${datasource}"
            refs = [target["refId"] for target in panel["targets"]]
            assert len(set(refs)) == len(refs)
            steps = [
                step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
            ]
            assert steps[0] is None
            assert steps[1:] == sorted(steps[1:])

    def test_ray_stands_apart(self, board):
        for row in board.rows:
            of_rays = {of_ray(query.expr) for panel in row.panels for query in panel.queries}
            assert of_rays == {row.title.startswith("From Ray")}


def test_files_that_are_made_no_more_are_removed(tmp_path):
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/old.yaml").write_text("groups: []")
    (tmp_path / "rules/README.md").write_text("kept")
    write_files(str(tmp_path))
    left = sorted(path.name for path in (tmp_path / "rules").iterdir())
    assert left == [
        "README.md",
        "objectives.yaml",
        "pipelines.yaml",
        "rollout.yaml",
        "serving.yaml",
    ]
