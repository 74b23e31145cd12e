"""The controller on one machine: what is live, what Ray Serve is told, what it begins with."""

import concurrent.futures
import json
import re
import threading
import time
import tracemalloc
from dataclasses import replace

import pyarrow as pa
import pytest
from small_shop import ref_of, write_small_release

from coterie.errors import BadInputError, UnavailableError
from coterie.release import difference
from coterie.release.bundle import ReleaseContent, write_release
from coterie.release.encoders import ReleasedEncoder
from coterie.release.store import ReleaseStore
from coterie.rollout.commands import Command, Verb
from coterie.rollout.figures import judge_figures, usual_limits
from coterie.rollout.live import Live, ReleaseRef
from coterie.rollout.metrics import EndpointMetrics, PrometheusMetrics
from coterie.rollout.plan import Plan
from coterie.rollout.state import Phase, State, Target
from coterie.rollout.store import FileRolloutStore
from serving.lists.list_maker import ListMaker
from serving.rollouts import controller, loaded_release
from serving.rollouts.controller import ServeArms, controller_of, metrics_of
from serving.rollouts.release_locator import ReleaseLocator, first_live
from serving.settings import Settings


@pytest.fixture(scope="module")
def releases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    return folder, [write_small_release(folder / name, version=name) for name in ("v1", "v2")]


@pytest.fixture
def locator(releases):
    folder, (old, _) = releases
    return ReleaseLocator(str(folder), ref_of(old))


@pytest.fixture
def target(releases):
    _, (old, new) = releases
    return Target(old.digest, new.digest, 0.25)


@pytest.fixture
def told(monkeypatch):
    """What Ray Serve was told."""
    configurations = []
    monkeypatch.setattr(controller, "deploy", lambda live, _sinks: configurations.append(live))
    return configurations


class Replicas:
    """Files that replicas leave."""

    def __init__(self, state):
        self.folder = state / "replicas"
        self.folder.mkdir()

    def say(self, name, live, age_s=0.0, error=""):
        content = {"at": time.time() - age_s, "live": live.as_json(), "error": error}
        (self.folder / f"{name}.json").write_text(json.dumps(content))


@pytest.fixture
def replicas(tmp_path):
    return Replicas(tmp_path)


@pytest.fixture
def arms(tmp_path, locator, replicas):
    return ServeArms(tmp_path / "replicas", locator)


def test_releases_are_found_by_version_by_folder_and_by_digest(locator, releases):
    folder, (_, new) = releases
    for name in ("v2", f"{folder}/v2", f"{folder}/v2/"):
        assert locator.find(name) == ref_of(new)
    assert locator.locate(new.digest) == ref_of(new)
    assert locator.versions()[new.digest] == "v2"


@pytest.mark.parametrize("name", ["v9", "../v1", "/etc", ""])
def test_what_is_no_release_of_the_store_is_not_found(locator, name):
    with pytest.raises(BadInputError):
        locator.find(name)


def test_what_replicas_serve_is_live(arms, locator, replicas, target):
    live = locator.live(target)
    replicas.say("1", live)
    replicas.say("2", live)
    assert arms.live() == target


def test_a_target_is_not_live_before_every_replica_serves_it(arms, locator, replicas, target, told):
    arms.apply(target)
    replicas.say("1", locator.live(target))
    replicas.say("2", locator.live(Target(target.stable)))
    assert arms.live() == Target(target.stable)


def test_nothing_is_known_of_replicas_that_have_said_nothing_lately(
    arms, locator, replicas, target
):
    replicas.say("1", locator.live(target), age_s=60)
    with pytest.raises(UnavailableError):
        arms.live()


def test_ray_serve_is_told_once_and_of_the_folders(arms, locator, target, told):
    arms.apply(target)
    arms.apply(target)
    assert told == [locator.live(target)]
    arms.apply(Target(target.stable))
    assert told[1:] == [locator.live(Target(target.stable))]


def test_a_target_whose_release_cannot_be_found_is_tried_again(arms, target, told):
    with pytest.raises(UnavailableError, match="holds no release"):
        arms.apply(replace(target, canary="f" * 64))
    assert told == []


def test_what_a_replica_could_not_load_is_a_crash(arms, locator, replicas, target):
    replicas.say("1", locator.live(target))
    assert arms.crashed(target.canary) == ""
    replicas.say("2", locator.live(target), error="no such folder")
    assert arms.crashed(target.canary) == "no such folder"


def test_a_release_is_loaded_before_it_runs_anywhere(arms, releases, tmp_path):
    folder, (_, new) = releases
    assert arms.preflight(new.digest) == ""
    write_small_release(folder / "v3", version="v3")
    broken = ReleaseRef(arms._locator.find("v3").digest, str(folder / "v3"))
    (folder / "v3" / "parameters.safetensors").write_bytes(b"not a tensor")
    assert "parameters" in arms.preflight(broken.digest)


def test_a_release_whose_search_finds_nothing_is_refused_before_it_runs_anywhere(
    arms, releases, monkeypatch
):
    _, (_, new) = releases
    search = ListMaker.search

    def finds_nothing(maker, *asked, **options):
        found, left_out = search(maker, *asked, **options)
        return found.model_copy(update={"items": []}), left_out

    monkeypatch.setattr(ListMaker, "search", finds_nothing)
    assert "v2 finds 0 of 20 items" in arms.preflight(new.digest)


def test_a_release_whose_lists_leave_memory_behind_is_refused_before_it_runs_anywhere(
    arms, releases, monkeypatch
):
    _, (_, new) = releases
    make, kept = ListMaker.make, []

    def leaks(maker, *asked, **options):
        kept.append(bytearray(8_000))
        return make(maker, *asked, **options)

    monkeypatch.setattr(ListMaker, "make", leaks)
    assert re.search(r"release v2 keeps 8,\d+ bytes of memory", arms.preflight(new.digest))
    assert not tracemalloc.is_tracing()


@pytest.mark.parametrize("hung", ["load_arm", "compare_releases"])
def test_a_canary_that_hangs_does_not_hold_up_turns_and_is_heard_once_it_answers(
    arms, releases, monkeypatch, hung
):
    _, (old, new) = releases
    home = loaded_release if hung == "load_arm" else difference
    work, goes_on = getattr(home, hung), threading.Event()
    monkeypatch.setattr(
        home, hung, lambda *asked, **options: goes_on.wait() and work(*asked, **options)
    )
    monkeypatch.setattr(controller, "WAITED_S", 0.05)

    def ask():
        if hung == "load_arm":
            return arms.preflight(new.digest)
        return arms.compare(new.digest, old.digest)

    assert [ask(), ask()] == [None, None]
    goes_on.set()
    [check] = arms._checks.values()
    concurrent.futures.wait([check], 60)
    assert ask() is not None


def test_a_release_of_another_text_encoder_is_refused_before_it_runs_anywhere(
    releases, locator, tmp_path
):
    pytest.importorskip("sentencepiece", reason="the extra content is not installed")
    other = ReleasedEncoder("e5", "ab" * 32, "s3://models/e5")
    made = write_small_release(releases[0] / "v4", version="v4", text_encoder=other)
    assert "release v4 has vectors of e5" in ServeArms(tmp_path, locator, "default").preflight(
        made.digest
    )
    assert ServeArms(tmp_path, locator, "none").preflight(made.digest) == ""


def test_a_canary_is_compared_with_what_is_live_and_the_first_release_with_nothing(
    arms, locator, releases
):
    folder, (old, new) = releases
    table = new.catalogue
    place, field = table.column_names.index("title"), table.schema.field("title")
    marks = table.set_column(place, field, pa.array(["?"] * len(table), field.type))
    content = ReleaseContent("v2-marks", new.parameters, marks, new.popularity, {}, "small", {})
    damaged = write_release(str(folder / "v2-marks"), content)
    assert list(arms.compare(old.digest, "")) == []
    for canary, exceeded in ((new, set()), (damaged, {"titles_changed", "blank_titles"})):
        figures = arms.compare(canary.digest, old.digest)
        judged = judge_figures(figures, dict(usual_limits()))
        assert {one.name for one in judged if one.verdict == "bad"} == exceeded
    [figure] = arms.compare(new.digest, "f" * 64)
    assert (figure.name, figure.value) == ("live_unread", 1.0)


@pytest.fixture
def settings(releases, tmp_path):
    folder, _ = releases
    return Settings(release=f"{folder}/v1", state=str(tmp_path / "state"))


def test_the_app_begins_with_the_release_that_it_is_told_of_and_writes_that_down(
    settings, releases
):
    _, (old, _) = releases
    assert first_live(settings) == Live(ref_of(old))
    assert FileRolloutStore(settings.rollouts_root).read()[0].stable == old.digest


def test_the_champion_of_the_store_is_what_the_book_says_is_stable(
    settings, releases, replicas, told, monkeypatch
):
    """There and back, by commands that no pipeline waits for."""
    folder, (old, new) = releases
    store, rollout_store = ReleaseStore(str(folder)), FileRolloutStore(settings.rollouts_root)
    settings = replace(
        settings, state=str(replicas.folder.parent), rollouts=str(rollout_store._folder)
    )
    first_live(settings)
    for number, digest in enumerate((new.digest, old.digest)):
        steps = ((Verb.START, Phase.SHADOW), (Verb.PROMOTE, Phase.PROMOTED))
        for verb, phase in steps:
            plan = Plan.of({"cooldown_s": 0}) if verb is Verb.START else None
            rollout_store.command(Command(f"{number}-{verb}", verb, "ana", "better", digest, plan))
            for _ in range(3):
                replicas.say("1", Live(ref_of(old)))
                acts = controller_of(settings, rollout_store)
                acts.turn()
                acts.follow.__self__.wait()
            assert rollout_store.read()[0].active is phase
        assert store.champion() == {old.digest: "v1", new.digest: "v2"}[digest]


def test_a_restart_goes_on_with_what_was_rolled_out(settings, releases):
    _, (old, new) = releases
    first_live(settings)
    rollout_store = FileRolloutStore(settings.rollouts_root)
    rollout_store.write(State(stable=new.digest), rollout_store.read()[1])
    assert first_live(settings) == Live(ref_of(new))
    middle = State(Phase.STEP, stable=new.digest, canary=old.digest)
    rollout_store.write(middle, rollout_store.read()[1])
    assert first_live(settings) == Live(ref_of(new), ref_of(old), middle.target.weight)


def test_prometheus_is_asked_where_it_is_named_and_the_app_itself_elsewhere(settings):
    assert metrics_of(settings) == EndpointMetrics("http://127.0.0.1:8000/metrics")
    everywhere = replace(settings, host="0.0.0.0")
    assert metrics_of(everywhere) == EndpointMetrics("http://127.0.0.1:8000/metrics")
    named = replace(settings, prometheus_url="http://prometheus:9090")
    assert metrics_of(named) == PrometheusMetrics("http://prometheus:9090")
