"""Who may command rollouts, what becomes of commands, and what is told."""

import time
from dataclasses import fields
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from rollout_shop import NEW, OLD, TOKEN, Shop, make_app, make_controller, turning
from schemathesis.specs.openapi.checks import positive_data_acceptance
from waiting import wait_until

from coterie.experiments.assignment import bucket
from coterie.rollout.commands import Command, Verb
from coterie.rollout.figures import ComparedFigure
from coterie.rollout.plan import Plan
from coterie.rollout.state import Phase, State, Transition
from coterie.rollout.store import FileRolloutStore
from serving.api import admin, operations
from serving.api.admin import CommandIn, PlanIn
from serving.api.described import describe_api

BEARER = {"Authorization": f"Bearer {TOKEN}"}
QUICK = {"step_s": 20, "bake_s": 30, "min_samples": 100, "cooldown_s": 0}
TIMES = [1.0, 2.0, 2.0, 2.0, 3.0]
COMMANDS = [verb for verb in Verb if verb is not Verb.START]


@pytest.fixture
def rollout_store(tmp_path):
    return FileRolloutStore(tmp_path / "rollouts")


@pytest.fixture
def shop():
    return Shop()


def client_of(rollout_store, **options):
    return TestClient(make_app(rollout_store, **options), raise_server_exceptions=False)


@pytest.fixture
def client(rollout_store, shop):
    """With a controller at work."""
    with turning(rollout_store, shop), client_of(rollout_store) as client:
        client.headers.update(BEARER)
        yield client


def start(client, release="v8", **more):
    body = {"release": release, "reason": "better offline", "who": "ana", "plan": QUICK, **more}
    return client.post("/v1/admin/rollouts", json=body)


def command(client, verb, **more):
    return client.post(f"/v1/admin/rollouts/{verb}", json={"reason": "because", **more})


def wait_for(client, *phases):
    for _ in range(6000):
        told = client.get("/v1/admin/rollouts").json()
        if told["phase"] in phases:
            return told
        time.sleep(0.01)
    raise AssertionError(f"{told['phase']}: {told['next_step']}")


ROUTES = [
    ("GET", "/v1/admin/rollouts"),
    ("GET", "/v1/admin/rollouts/history"),
    ("GET", "/v1/admin/rollouts/explain?at=2026-01-31T12:00:00Z"),
    ("POST", "/v1/admin/rollouts"),
    *[("POST", f"/v1/admin/rollouts/{verb}") for verb in COMMANDS],
]


def test_these_are_all_routes(rollout_store):
    app = client_of(rollout_store)
    described = {
        (method.upper(), path)
        for path, methods in app.get("/openapi.json").json()["paths"].items()
        for method in methods
        if path.startswith("/v1/admin")
    }
    listed = {(method, path.split("?")[0]) for method, path in ROUTES}
    listed -= {("POST", f"/v1/admin/rollouts/{verb}") for verb in COMMANDS}
    assert described == listed | {("POST", "/v1/admin/rollouts/{verb}")}


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer wrong",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Basic {TOKEN}",
        TOKEN,
        "Bearer é",
    ],
)
def test_without_the_token_nothing_is_told_or_done(rollout_store, method, path, header):
    headers = {} if header is None else {"Authorization": header.encode()}
    body = {"release": "v8", "reason": "because"} if method == "POST" else None
    answer = client_of(rollout_store).request(method, path, headers=headers, json=body)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert TOKEN not in answer.text
    assert rollout_store.commands(rollout_store.read()[0]) == []


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize("headers", [{}, BEARER, {"Authorization": "Bearer "}])
def test_an_app_without_a_token_lets_nobody_in_and_says_how_to_set_one(
    rollout_store, method, path, headers
):
    body = {"release": "v8", "reason": "because"} if method == "POST" else None
    answer = client_of(rollout_store, token="").request(method, path, headers=headers, json=body)
    assert answer.status_code == 403
    assert "COTERIE_ADMIN_TOKEN" in answer.json()["detail"]
    assert rollout_store.commands(rollout_store.read()[0]) == []


def test_a_release_goes_its_way_and_the_log_says_who_began(client, shop):
    answer = start(client)
    assert answer.status_code == 202
    assert answer.json()["carried_out"] is True
    told = wait_for(client, Phase.PROMOTED)
    assert told["stable"] == {"digest": NEW, "version": "v8"}
    assert "v8 answers everybody" in told["next_step"]
    assert shop.target.stable == NEW
    lines = client.get("/v1/admin/rollouts/history").json()["transitions"]
    assert (lines[-1]["who"], lines[-1]["why"]) == ("ana", "start: better offline")
    assert lines[0]["after"] == Phase.PROMOTED
    assert lines[1]["evidence"]["failures"]["canary"][0] > 0


def test_a_releases_name_is_no_id_and_stays_as_it_is():
    assert CommandIn(reason="fine", release="1.0", who="2.0").release == "1.0"


def test_the_plan_of_the_call_is_the_plan_of_the_rollout(client):
    start(client, plan={**QUICK, "weights": [0.2, 0.4], "signals": {"failures": 1.5}})
    told = client.get("/v1/admin/rollouts").json()
    assert told["plan"]["weights"] == [0.2, 0.4]
    assert told["plan"]["signals"] == {"failures": 1.5}
    assert told["samples"]["needed"] == 100


def test_a_release_that_differs_too_far_is_refused_and_a_person_overrides(client, shop):
    shop.figures = (ComparedFigure("titles_changed", 1.0, examples=("Tea → ?",)),)
    start(client)
    told = wait_for(client, Phase.ROLLED_BACK)
    assert told["quarantine"][NEW].startswith("preflight: titles_changed 100 %")
    [figure] = told["comparison"]["figures"]
    assert (figure["verdict"], figure["limit"], figure["examples"]) == ("bad", 0.3, ["Tea → ?"])
    assert told["comparison"]["live"]["version"] == "v7"
    assert start(client).status_code == 409
    answer = start(client, reason="renamed", plan={**QUICK, "override": ["titles_changed"]})
    assert answer.json()["carried_out"]
    told = wait_for(client, Phase.SHADOW, Phase.STEP, Phase.BAKE, Phase.PROMOTED)
    assert told["plan"]["override"] == ["titles_changed"]
    assert told["comparison"]["figures"][0]["verdict"] == "overridden"
    lines = client.get("/v1/admin/rollouts/history").json()["transitions"]
    assert next(one["why"] for one in lines if one["after"] == "preflight") == (
        "start, overriding titles_changed: renamed"
    )


def test_limits_of_preflight_are_the_plans(client, shop):
    shop.figures = (ComparedFigure("titles_changed", 0.8),)
    start(client, plan={**QUICK, "preflight": {"titles_changed": 0.9}})
    told = wait_for(client, Phase.SHADOW, Phase.STEP, Phase.BAKE, Phase.PROMOTED)
    assert told["plan"]["preflight"]["titles_changed"] == 0.9
    assert told["plan"]["preflight"]["zero_prices"] == 0.02
    refused = start(client, plan={**QUICK, "preflight": {"titels_changed": 0.9}})
    assert refused.status_code == 422
    assert "no figure titels_changed: known are" in refused.json()["detail"]


def test_harm_is_told_and_a_person_takes_the_release_out_of_quarantine(client, shop):
    shop.rates["failures"] = 0.4
    start(client)
    told = wait_for(client, Phase.ROLLED_BACK)
    assert told["quarantine"][NEW].startswith("failures")
    again = start(client)
    assert again.status_code == 409
    assert "quarantine" in again.json()["detail"]
    assert command(client, "unquarantine", release="v8").status_code == 202
    assert start(client).status_code == 202


def test_a_digest_that_the_store_has_forgotten_leaves_quarantine_by_its_digits(client, shop):
    shop.unfit = "digest of tables.parquet is wrong"
    start(client)
    wait_for(client, Phase.ROLLED_BACK)
    assert command(client, "unquarantine", release=NEW[:7]).status_code == 422
    assert command(client, "unquarantine", release=NEW[:8]).status_code == 202
    assert command(client, "unquarantine", release=NEW[:8]).status_code == 422
    assert command(client, "unquarantine", release="v8").status_code == 409


def test_people_pause_resume_freeze_promote_and_roll_back(client, shop):
    start(client, plan={**QUICK, "step_s": 600})
    wait_for(client, Phase.SHADOW)
    assert command(client, "pause", reason="Black Friday").status_code == 202
    told = client.get("/v1/admin/rollouts").json()
    assert (told["phase"], told["held"]) == (Phase.PAUSED, Phase.SHADOW)
    assert "Black Friday" in told["next_step"]
    assert command(client, "resume").status_code == 202
    assert command(client, "freeze", reason="audit").status_code == 202
    assert client.get("/v1/admin/rollouts").json()["frozen"] == "audit"
    assert command(client, "unfreeze").status_code == 202
    assert command(client, "rollback").status_code == 202
    wait_for(client, Phase.ROLLED_BACK)
    start(client, "v9", plan={**QUICK, "step_s": 600})
    wait_for(client, Phase.SHADOW)
    assert command(client, "promote", reason="a leak", who="ana").status_code == 202
    assert wait_for(client, Phase.PROMOTED)["last"][0]["why"] == "forced: a leak"


@pytest.mark.parametrize("verb", [v for v in COMMANDS if v not in (Verb.FREEZE, Verb.UNQUARANTINE)])
def test_a_refusal_reaches_who_commanded_with_its_reason(client, verb):
    answer = command(client, verb)
    assert answer.status_code == 409
    assert answer.json()["detail"].startswith("nothing is")


def test_a_command_that_no_controller_takes_is_kept(rollout_store, monkeypatch):
    monkeypatch.setattr(admin, "WAIT_S", 0.2)
    client = client_of(rollout_store)
    client.headers.update(BEARER)
    answer = command(client, "freeze", reason="audit")
    assert answer.status_code == 202
    assert answer.json()["carried_out"] is False
    controller = make_controller(rollout_store, Shop())
    controller.turn()
    state, _ = rollout_store.read()
    assert answer.json()["id"] in state.done_commands
    assert state.frozen == "audit"


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("", {"release": "v8"}, "reason"),
        ("", {"release": "v8", "reason": " "}, "reason"),
        ("", {"release": "v8", "reason": "a\nb"}, "reason"),
        ("", {"release": "v8", "reason": "x" * 501}, "reason"),
        ("", {"release": "v1", "reason": "x"}, "no release 'v1'"),
        ("", {"release": "../../etc", "reason": "x"}, "no release"),
        ("", {"release": "v8", "reason": "x", "who": "controller"}, "own name"),
        ("", {"release": "v8", "reason": "x", "who": ""}, "who"),
        ("", {"release": "v8", "reason": "x", "token": "y"}, "token"),
        ("", {"release": "v8", "reason": "x", "plan": {"step": 3}}, "step"),
        ("", {"release": "v8", "reason": "x", "plan": {"step_s": -1}}, "step_s"),
        ("", {"release": "v8", "reason": "x", "plan": {"weights": [0.5, 0.1]}}, "rise"),
        ("", {"release": "v8", "reason": "x", "plan": {"signals": {"joy": 1}}}, "joy"),
        ("", {"release": "v8", "reason": "x", "plan": {"alpha": 0.9}}, "alpha"),
        ("/pause", {"reason": ""}, "reason"),
        ("/pause", {"reason": "x", "release": "v8"}, "takes none"),
        ("/unquarantine", {"reason": "x"}, "which release"),
        ("/explode", {"reason": "x"}, "verb"),
    ],
)
def test_what_does_not_fit_is_refused_before_the_controller_hears_of_it(
    rollout_store, path, body, said
):
    client = client_of(rollout_store)
    answer = client.post(f"/v1/admin/rollouts{path}", json=body, headers=BEARER)
    assert answer.status_code == 422
    assert said in answer.text
    assert rollout_store.commands(rollout_store.read()[0]) == []


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
def test_a_plan_holds_no_number_that_is_none(rollout_store, number):
    text = f'{{"release": "v8", "reason": "x", "plan": {{"step_s": {number}}}}}'
    headers = {**BEARER, "Content-Type": "application/json"}
    answer = client_of(rollout_store).post("/v1/admin/rollouts", content=text, headers=headers)
    assert answer.status_code == 422


def test_a_plan_of_the_api_has_every_field_of_a_plan():
    assert list(PlanIn.model_fields) == [one.name for one in fields(Plan)]


def test_history_is_read_page_by_page_and_no_line_twice_or_never(client):
    start(client)
    wait_for(client, Phase.PROMOTED)
    whole = client.get("/v1/admin/rollouts/history?limit=200").json()["transitions"]
    read, before = [], None
    while True:
        query = f"limit=2&before={before}" if before is not None else "limit=2"
        page = client.get(f"/v1/admin/rollouts/history?{query}").json()
        read += page["transitions"]
        before = page["before"]
        if before is None:
            break
    assert read == whole
    assert len(read) == 9
    assert client.get("/v1/admin/rollouts/history?limit=0").status_code == 422


def test_lines_of_one_moment_are_on_one_page(rollout_store):
    lines = [Transition(at, Phase.IDLE, Phase.IDLE, "x", "ana", OLD, "", 0, 0, {}) for at in TIMES]
    rollout_store.write(State(stable=OLD), 0, lines)
    client = client_of(rollout_store)
    client.headers.update(BEARER)
    page = client.get("/v1/admin/rollouts/history?limit=2").json()
    assert [one["at"] for one in page["transitions"]] == [3.0, 2.0, 2.0, 2.0]
    rest = client.get(f"/v1/admin/rollouts/history?limit=2&before={page['before']}").json()
    assert [one["at"] for one in rest["transitions"]] == [1.0]
    assert rest["before"] is None


def ask_at(client, at, **query):
    text = datetime.fromtimestamp(at, UTC).isoformat()
    query = "".join(f"&{name}={quote(value)}" for name, value in query.items())
    return client.get(f"/v1/admin/rollouts/explain?at={quote(text)}{query}")


def test_which_release_was_live_for_whom_and_why(rollout_store):
    # The controller's clock leaps as long as a busy machine lets it: it must not come to now.
    shop = Shop(begins=time.time() - 90_000)
    controller = make_controller(rollout_store, shop)
    client = client_of(rollout_store)
    client.headers.update(BEARER)
    with turning(rollout_store, shop):
        start(client, plan={**QUICK, "step_s": 100})
    for _ in range(400):
        controller.turn()
    assert rollout_store.read()[0].phase is Phase.PROMOTED
    times = {one.weight: one.at for one in rollout_store.history() if one.after is Phase.STEP}
    people = [f"shopper-{n:04d}" for n in range(15)]
    for weight, at in times.items():
        for user in people:
            told = ask_at(client, at + 5, user=user).json()
            expected = bucket(user, NEW)
            arm = "canary" if expected < weight else "stable"
            assert told["user"]["arm"] == arm
            assert told["user"]["bucket"] == told["user"]["place"] == expected
            assert told["user"]["release"]["digest"] == (NEW if arm == "canary" else OLD)
            assert told["past_state"] == told["moment"]
            assert told["past_state"]["weight"] == weight
            assert told["past_state"]["because"][0]["why"].startswith(("no harm", "preflight"))
    told = ask_at(client, times[0.1] + 5, user=people[0]).json()
    assert "v7 answered 90 %, v8 10 %" in told["text"]
    assert "no harm in" in told["text"]
    before = ask_at(client, shop.now - 99_999, user=people[0]).json()
    assert (before["user"]["arm"], before["stable"]["version"]) == ("stable", "v7")
    assert "the log begins later" in before["text"]
    after = ask_at(client, time.time(), user=people[0]).json()
    assert after["user"]["release"]["version"] == "v8"
    assert after["user"]["arm"] == "stable"


def test_the_future_and_times_without_an_offset_are_not_explained(client):
    assert ask_at(client, time.time() + 3600).status_code == 422
    assert client.get("/v1/admin/rollouts/explain?at=2026-01-31T12:00:00").status_code == 422
    assert client.get("/v1/admin/rollouts/explain?at=0.5").status_code == 422
    assert client.get("/v1/admin/rollouts/explain").status_code == 422


def test_a_damaged_book_is_said_to_be_one(rollout_store, tmp_path):
    make_controller(rollout_store, Shop())
    (tmp_path / "rollouts" / "state.json").write_text("{")
    answer = client_of(rollout_store).get("/v1/admin/rollouts", headers=BEARER)
    assert answer.status_code == 422
    assert "damaged" in answer.json()["detail"]


def test_the_page_needs_the_storefront_and_names_nobody(rollout_store, shop, client):
    start(client, who="ana@shop.example")
    wait_for(client, Phase.PROMOTED)
    told = client_of(rollout_store).get("/v1/rollouts").json()
    assert told["status"]["phase"] == Phase.PROMOTED
    assert told["standing"] == told["status"], "what a page of the version before reads"
    assert told["history"][-1]["who"] == "a person"
    assert told["history"][0]["who"] == "controller"
    assert "ana@shop" not in str(told)
    assert len(told["series"]["at"]) == len(told["series"]["lines"]["failures"]["canary"]) > 5
    bare = client_of(rollout_store, storefront=False)
    assert bare.get("/v1/rollouts").status_code == 404
    assert bare.get("/operations").status_code == 404


@pytest.mark.parametrize("token", [TOKEN, ""])
def test_every_answer_to_made_up_requests_is_as_described(rollout_store, monkeypatch, token):
    monkeypatch.setattr(admin, "WAIT_S", 0.0)
    make_controller(rollout_store, Shop())
    app = make_app(rollout_store, token=token)
    describe_api(app._app, app._app.state.guard.is_open)
    schema, asked = schemathesis.openapi.from_asgi("/openapi.json", app), set()
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(
            max_examples=25,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def answers_as_described(case):
            # A release that the store lacks is of the right form, and refused all the same.
            case.call_and_validate(headers=BEARER, excluded_checks=[positive_data_acceptance])

        answers_as_described()
        asked.add((operation.method.upper(), operation.path))
    assert len(asked) == 6


def test_many_who_look_at_the_page_cost_the_book_one_look(rollout_store, monkeypatch):
    make_controller(rollout_store, Shop())
    client, reads = client_of(rollout_store), []
    monkeypatch.setattr(operations, "FRESH_S", 3600.0)  # twenty requests may take a while
    history = FileRolloutStore.history
    monkeypatch.setattr(FileRolloutStore, "history", lambda self: reads.append(1) or history(self))
    for _ in range(20):
        assert client.get("/v1/rollouts").status_code == 200
    assert len(reads) == 1


def test_a_look_at_the_page_is_soon_taken_anew(rollout_store, monkeypatch):
    controller = make_controller(rollout_store, Shop())
    client = client_of(rollout_store)
    monkeypatch.setattr(operations, "FRESH_S", 0.0)
    assert client.get("/v1/rollouts").json()["status"]["frozen"] == ""
    rollout_store.command(Command("c1", Verb.FREEZE, "ana", "audit"))
    controller.turn()
    wait_until(lambda: client.get("/v1/rollouts").json()["status"]["frozen"] == "audit")
