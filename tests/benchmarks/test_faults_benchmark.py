"""Faults of releases against the real app, a handful of them: the benchmark tries all."""

import json
import logging
import re
import time
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import faults
from benchmarks.faults_rollout import PLAN, TriedRollout, Verdict
from benchmarks.faults_seams import SEAMS
from benchmarks.faults_shop import make_shop
from coterie.data.simulate import ShopConfig
from coterie.rollout.evidence import ArmCounts, Evidence
from coterie.rollout.figures import ALL
from coterie.rollout.live import ReleaseRef
from coterie.rollout.plan import SIGNALS
from coterie.rollout.state import Phase
from coterie.rollout.strength import over
from coterie.schema import TARGET_KINDS
from pipelines.faulty_releases.harmless import FAMILY as HARMLESS

SHOP = ShopConfig(num_users=400, num_items=300, num_events=16_000)
SHORT = replace(PLAN, weights=(0.5,), step_s=10.0, bake_s=10.0)
LEAKING = "what lists leave behind"
ONE_A_FAMILY = {
    "data": "renamed-items",
    "catalogue": "zero-prices",
    "duplicates": "items-twice",
    "language": "garbled-titles",
    "vectors": "random-vectors",
    "weights": "no-friends",
    "code path": "raising",
    "latency": "slower",
    "memory": "heavy",
    "staleness": "stale-catalogue",
    "code, by stable's rule": "had-again",
    "search": "search-anything",
    "staleness, by stable's rule": "old-catalogue",
    "of one visit": "stale-features",
    "reasons": "wrong-friend",
    "filters": "filters-ignored",
    "items one by one": "traded-vectors",
    LEAKING: "leaking",
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return make_shop(tmp_path_factory.mktemp("faults") / "shop", SHOP)


@pytest.fixture(autouse=True)
def quick(caplog, monkeypatch, request):
    """A canary that fails says so for each list. What memory lists keep is traced for the one fault
    that it is about: it would take a third of each rollout here."""
    caplog.set_level(logging.CRITICAL, "coterie")
    if LEAKING not in request.node.name:
        monkeypatch.setattr("serving.rollouts.loaded_release.check_memory", lambda _: None)


def roll_out(shop, name, folder, plan=PLAN):
    case = faults.cases()[name]
    release = folder / "releases" / name
    digest = case.write(shop, release)
    ref = ReleaseRef(digest, str(release))
    return TriedRollout(shop, ref, folder, case.harmless, plan).run()


@pytest.mark.parametrize("name", ONE_A_FAMILY.values(), ids=ONE_A_FAMILY)
def test_a_fault_is_caught_by_what_should_before_a_shopper_has_seen_it(shop, name, tmp_path):
    verdict = roll_out(shop, name, tmp_path)
    assert verdict.phase == Phase.ROLLED_BACK, verdict
    assert verdict.caught_by in faults.cases()[name].fault.caught_by, verdict
    assert (verdict.exposed, verdict.failed) == (0, 0), verdict
    assert verdict.in_time


@pytest.mark.parametrize(
    ("name", "signal"), [("no-friends", "fewer_friends"), ("cents", "unlike_prices")]
)
def test_what_a_person_lets_past_preflight_is_caught_in_shadow(shop, name, signal, tmp_path):
    verdict = roll_out(shop, name, tmp_path, replace(PLAN, override=(ALL,)))
    assert (verdict.caught_by, verdict.where) == (signal, Phase.SHADOW), verdict
    assert verdict.exposed == 0


def test_a_sale_is_promoted_and_shoppers_were_on_it_on_the_way(shop, tmp_path):
    verdict = roll_out(shop, "sale", tmp_path, SHORT)
    assert verdict.phase == Phase.PROMOTED, verdict
    assert verdict.exposed > 0.1 * verdict.shoppers
    assert verdict.failed == 0


def test_who_comes_goes_on_as_they_really_did_and_the_next_rollout_begins_anew(shop, tmp_path):
    begun_ms = time.time() * 1000
    digest = faults.cases()["leaking"].write(shop, tmp_path / "releases" / "leaking")
    ref = ReleaseRef(digest, str(tmp_path / "releases" / "leaking"))
    tried = TriedRollout(shop, ref, tmp_path, False, SHORT)
    user_id = max(shop.coming, key=lambda user: len(shop.coming[user]))
    before = shop.features.recent_lists([user_id])
    tried._live_on([user_id])
    [now] = tried._shop.features.recent_lists([user_id])
    first = next(n for n, one in enumerate(shop.coming[user_id]) if one.event in TARGET_KINDS)
    done = {one.item_id for one in shop.coming[user_id][: first + 1]}
    assert {i for i, ms in zip(now.item_ids, now.ts_ms, strict=True) if ms > begun_ms} == done
    assert now.wanted_ms[now.item_ids.index(shop.coming[user_id][first].item_id)] > begun_ms
    assert shop.features.recent_lists([user_id]) == before


def test_what_a_run_that_was_stopped_left_behind_goes(shop, tmp_path, monkeypatch):
    left = tmp_path / "releases" / "sale" / "manifest.json"
    left.parent.mkdir(parents=True)
    left.touch()
    (tmp_path / "rollout" / "replicas").mkdir(parents=True)
    monkeypatch.setattr(TriedRollout, "run", lambda self: Verdict("", "", "", "", 0, 0, 0, 1, 0))
    faults.try_out(shop, faults.cases()["sale"], tmp_path)
    assert left.read_text()


def test_what_too_many_have_seen_is_given_up_as_missed(shop, tmp_path):
    """Nothing stands behind the one figure of preflight that tells of it."""
    verdict = roll_out(shop, "again-at-once", tmp_path, replace(SHORT, override=(ALL,)))
    assert verdict.phase == Phase.STEP
    assert not verdict.in_time
    assert verdict.exposed >= 0.01 * verdict.shoppers


def results():
    return json.loads(faults.RESULTS.read_text())["rollouts"]


def test_the_results_have_every_case_of_now():
    words = ("family", "about", "why_missed")
    told = {one["name"]: tuple(one[word] for word in words) for one in results()}
    known = {name: case.fault for name, case in faults.cases().items()}
    assert told == {name: (f.family, f.about, f.why) for name, f in known.items()}


@pytest.mark.parametrize("name", faults.cases())
def test_each_fault_is_caught_in_time_or_the_page_says_why_it_cannot_be(name):
    case = faults.cases()[name]
    [one] = [one for one in results() if one["name"] == name]
    verdict = Verdict(**{field: one[field] for field in Verdict.__slots__})
    behind = one["behind_preflight"] or {"failed": 0}
    assert verdict.failed == behind["failed"] == 0
    if case.harmless:
        assert verdict.phase == Phase.PROMOTED
    else:
        # One that names both is caught in one run and missed in another.
        by_chance = bool(case.fault.why and case.fault.caught_by)
        assert by_chance or verdict.in_time != bool(case.fault.why)
        assert not verdict.in_time or verdict.caught_by in case.fault.caught_by


def test_the_signals_of_now_still_find_what_the_results_say_they_found():
    """Shares that are harmless may change without all being rolled out again."""
    plan, counted = PLAN, re.compile(r"canary (\d+) of (\d+), stable (\d+) of (\d+), e-value")
    found = 0
    for one in results():
        for told in (one, one["behind_preflight"] or {}):
            said = counted.search(told.get("why", ""))
            if said is None:
                continue
            events, num, beside, of = map(int, said.groups())
            name = told["caught_by"]
            evidence = Evidence().add(ArmCounts(num, events), ArmCounts(of, beside))
            share = SIGNALS[name].harmless
            assert not share or over(evidence.canary, share) >= 1 / plan.alpha_of(name), one["name"]
            found += 1
    assert found > 30


def test_faults_of_code_are_made_for_their_own_version_alone(shop):
    """Else the live release would be as bad, and nothing to compare with."""
    assert shop.release.version not in SEAMS
    assert not any(case.fault.name == shop.release.version for case in faults.cases().values())


def test_the_page_names_each_fault_once():
    page = Path(faults.__file__).parents[1].joinpath("docs", "rollout.md").read_text()
    for one in results():
        if one["family"] != HARMLESS:
            assert page.count(f"| {one['about']} | {one['family']} |") == 1, one["name"]
