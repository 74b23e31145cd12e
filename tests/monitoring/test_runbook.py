"""What the runbook tells people to do by hand works."""

import json
import re
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "serving"))

from small_shop import place_of, write_small_release

from coterie.rollout.book import Book
from coterie.rollout.live import Live
from coterie.rollout.state import State
from serving.rollouts.release_locator import first_live
from serving.settings import Settings

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/runbook.md").read_text()
NAME = re.compile(r"coterie_[a-z_]+[a-z]")
EXPORTING = [
    ROOT / path
    for path in (
        "serving/telemetry/instruments.py",
        "serving/telemetry/pipeline_runs.py",
        "coterie/rollout/exported.py",
    )
]


def anchors(text):
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {heading.lower().replace(" ", "-") for heading in headings}


def test_links_within_the_page_lead_somewhere():
    assert set(re.findall(r"\]\(#([^)]+)\)", TEXT)) - anchors(TEXT) == set()


def test_metrics_that_it_names_are_exported():
    """Of serving, of the consumer and of the controller."""
    exported = set(NAME.findall("".join(map(Path.read_text, EXPORTING))))
    named = set(NAME.findall(TEXT))
    assert len(named) >= 8
    unknown = {name for name in named if name.removesuffix("_total") not in exported}
    assert unknown == set()


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
    place = place_of(good)
    settings = Settings(release=place.folder, state=str(tmp_path / "state"))
    book = Book(settings.rollouts_root)
    book.write(State(stable=bad.digest), book.read()[1])
    assert first_live(settings).stable.digest == bad.digest
    Path(settings.rollouts_root).rename(tmp_path / "state/rollouts.aside")
    assert first_live(settings) == Live(place)
