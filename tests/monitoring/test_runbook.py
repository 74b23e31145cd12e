"""What the runbook tells people to do by hand works."""

import json
import re
import sys
from pathlib import Path

import pytest
import yaml

sys.path.append(str(Path(__file__).parents[1] / "serving"))

from small_shop import ref_of, write_small_release

from coterie import metric_names
from coterie.monitoring import rules
from coterie.rollout.live import Live
from coterie.rollout.state import State
from coterie.rollout.store import FileRolloutStore
from serving.rollouts.release_locator import first_live
from serving.settings import Settings

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/runbook.md").read_text()
NAME = re.compile(r"coterie_[a-z_]+[a-z]")


def anchors(text):
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {heading.lower().replace(" ", "-") for heading in headings}


def test_links_within_the_page_lead_somewhere():
    assert set(re.findall(r"\]\(#([^)]+)\)", TEXT)) - anchors(TEXT) == set()


def test_metrics_that_it_names_are_exported():
    """Of serving, of the consumer and of the controller; that they export all of them is tested."""
    named = set(NAME.findall(TEXT))
    assert len(named) >= 8
    assert named - metric_names.ALL == set()


def test_what_is_asked_from_outside_is_let_in_there():
    """The rest of the API is reached by a port-forward."""
    ingress = (ROOT / "helm/coterie/templates/ingress.yaml").read_text()
    open_paths = tuple(re.findall(r'"(/v1/[a-z]+)"', ingress))
    assert "/v1/users" in open_paths
    asked = re.findall(r"(?:https://)?SHOP(/[a-z0-9/]+)", TEXT)
    assert [path for path in asked if not path.startswith(open_paths)] == []
    assert "http://127.0.0.1:8000/v1/admin/rollouts/rollback" in TEXT


def test_names_of_objects_are_those_of_any_install():
    commands = re.findall(r"`(kubectl [^`]+)`", TEXT)
    assert len(commands) >= 8
    assert [one for one in commands if re.search(r"\bcoterie-", one)] == []


def test_redis_is_asked_where_its_password_is():
    asked = re.findall(r"`([^`]*redis-cli[^`]*)`", TEXT)
    assert len(asked) >= 4
    assert [one for one in asked if not one.startswith("kubectl exec RELEASE-redis-0 --")] == []


def test_redis_is_given_no_more_memory_than_its_pod_has():
    """It copies pages while it rewrites its log: at its limit, the kernel ends it."""
    values = yaml.safe_load((ROOT / "helm/coterie/values.yaml").read_text())["redis"]
    [given] = re.findall(r"config set maxmemory ([0-9]+)mb", TEXT)
    assert values["resources"]["limits"]["memory"] == "2Gi"
    assert int(given) * 2**20 <= 0.7 * 2 * 2**30


def test_bounds_that_may_be_raised_are_constants():
    named = set(re.findall(r"`([A-Z_]{6,})`", TEXT))
    bounds = {one for one in named if not one.startswith("COTERIE_")} - {"RELEASE", "SIGTERM"}
    assert {"STRANGERS", "LONG_RUN_S"} <= bounds
    assert [one for one in bounds if not hasattr(rules, one)] == []


@pytest.mark.parametrize(
    "said",
    [
        "the API did not answer",
        "does not answer as it should",
        "the run goes on, but how it stands is not recorded",
        "cannot write to the event log",
        "cannot write the rollout down",
        "no room for counts",
        "does not match the digest in its manifest",
        "UpgradeStuck",
    ],
)
def test_lines_that_it_quotes_are_said_by_the_code(said):
    assert said in TEXT
    sources = [*ROOT.glob("coterie/**/*.py"), *ROOT.glob("serving/**/*.py")]
    assert any(said in " ".join(path.read_text().split()) for path in sources)


def test_what_replicas_are_told_by_hand_is_what_they_take():
    [written] = re.findall(r"```json\n(\"user_config\":.*?)```", TEXT, re.DOTALL)
    live = Live.from_json(json.loads(f"{{{written}}}")["user_config"])
    assert (live.stable.digest, live.canary, live.weight) == ("GOOD_DIGEST", None, 0)


def test_the_release_that_is_named_is_served_once_the_rollouts_are_moved_aside(tmp_path):
    good = write_small_release(tmp_path / "releases/v1")
    bad = write_small_release(tmp_path / "releases/v2", "v2")
    ref = ref_of(good)
    settings = Settings(release=ref.folder, state=str(tmp_path / "state"))
    rollout_store = FileRolloutStore(settings.rollouts_root)
    rollout_store.write(State(stable=bad.digest), rollout_store.read()[1])
    assert first_live(settings).stable.digest == bad.digest
    Path(settings.rollouts_root).rename(tmp_path / "state/rollouts.aside")
    assert first_live(settings) == Live(ref)
