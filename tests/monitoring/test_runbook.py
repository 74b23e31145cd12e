"""What the runbook tells people to do by hand works."""

import json
import re
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "serving"))

from small_shop import place_of, write_small_release

from coterie.rollout.book import Book
from coterie.rollout.live import Live
from coterie.rollout.state import State
from serving.places import first_live
from serving.settings import Settings

TEXT = (Path(__file__).parents[2] / "docs/runbook.md").read_text()


def anchors(text):
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {heading.lower().replace(" ", "-") for heading in headings}


def test_links_within_the_page_lead_somewhere():
    assert set(re.findall(r"\]\(#([^)]+)\)", TEXT)) - anchors(TEXT) == set()


def test_what_replicas_are_told_by_hand_is_what_they_take():
    [written] = re.findall(r"```json\n(\"user_config\":.*?)```", TEXT, re.DOTALL)
    live = Live.from_json(json.loads(f"{{{written}}}")["user_config"])
    assert (live.stable.digest, live.canary, live.weight) == ("GOOD_DIGEST", None, 0)


def test_the_release_that_is_named_is_served_once_the_rollouts_are_moved_aside(tmp_path):
    good = write_small_release(tmp_path / "releases/v1")
    bad = write_small_release(tmp_path / "releases/v2", "v2")
    place = place_of(good)
    settings = Settings(release=place.folder, state=str(tmp_path / "state"))
    book = Book(settings.rollouts_place)
    book.write(State(stable=bad.digest), book.read()[1])
    assert first_live(settings).stable.digest == bad.digest
    Path(settings.rollouts_place).rename(tmp_path / "state/rollouts.aside")
    assert first_live(settings) == Live(place)
