"""The scripts that the chart mounts into pods, run as pods run them."""

import contextlib
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from chart import FOLDER

FILES = FOLDER / "files"


def script(name):
    spec = importlib.util.spec_from_file_location(f"chart_{name}", FILES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ask.py


class Shop(BaseHTTPRequestHandler):
    items: Any = ({"rank": 1, "score": 0.5, "item": {"item_id": "item-1", "title": "A"}},)
    accepted = 1
    duplicate = 0
    at_first: Any = ()
    """What comes before the shop answers: statuses, and 0 for a connection that is cut."""

    def parse_request(self):
        if not super().parse_request():
            return False
        if not self.waiting:
            return True
        status = self.waiting.pop(0)
        if status:
            self._answer(status, {"detail": "not yet"})
        self.close_connection = True
        return False

    def do_GET(self):
        if self.path == "/readyz":
            return self._answer(200, {"release": "7", "digest": "a" * 64})
        return self._answer(200, {"items": self.items})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        (event,) = body["events"]
        assert event["item_id"] == "item-1"
        self._answer(
            202, {"accepted": self.accepted, "duplicate": self.duplicate, "applied": False}
        )

    def _answer(self, status, content):
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def shop(**attributes):
    waiting = {"waiting": list(attributes.get("at_first", ()))}
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("AShop", (Shop,), attributes | waiting))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def test_helm_test_asks_for_a_list_and_sends_an_event(capsys):
    with shop() as address:
        script("ask").main(address)
    said = capsys.readouterr().out
    assert "serves release 7" in said
    assert "an event was taken" in said


@pytest.mark.parametrize(
    ("wrong", "said"), [({"items": []}, "empty list"), ({"accepted": 0}, "not taken")]
)
def test_helm_test_fails_at_once_where_the_shop_does(wrong, said):
    with shop(**wrong) as address, pytest.raises(SystemExit, match=said):
        impatient(pauses_s=1e9).main(address)


def impatient(pauses_s=0.0, patience_s=60.0):
    """The script, which a pause that should not be would hang."""
    ask = script("ask")
    ask.PAUSE_S, ask.PATIENCE_S = pauses_s, patience_s
    return ask


def test_helm_test_asks_again_until_the_shop_is_reached(capsys):
    """A policy engine that does not know the pod yet refuses; a Service has no endpoint yet."""
    with shop(at_first=[0, 503, 0, 502]) as address:
        impatient().main(address)
    said = capsys.readouterr().out
    assert said.count("asking again") == 4
    assert "answered 503" in said
    assert "an event was taken" in said


def test_an_event_that_is_sent_again_is_taken_as_well():
    with shop(accepted=0, duplicate=1) as address:
        impatient().main(address)


def test_helm_test_fails_at_once_where_it_is_refused():
    with shop(at_first=[404]) as address, pytest.raises(SystemExit, match="answered 404"):
        impatient(pauses_s=1e9).main(address)


def test_helm_test_says_in_the_end_that_nobody_answers():
    with pytest.raises(SystemExit, match=r"for 0 s: .* does not answer: .*refused"):
        impatient(patience_s=0).main("http://127.0.0.1:9")


def test_helm_test_says_where_names_are_let_through(monkeypatch):
    ask = impatient(patience_s=0)

    def unresolved(*_):
        raise urllib.error.URLError(socket.gaierror(-3, "Temporary failure in name resolution"))

    monkeypatch.setattr(ask, "asked", unresolved)
    with pytest.raises(SystemExit, match=r"name resolution.*networkPolicy\.dns"):
        ask.main("http://coterie-api.shop.svc:8000")


def test_the_event_of_helm_test_is_one_that_serving_takes():
    messages = pytest.importorskip("serving.messages")
    with shop() as address:
        sent = {}

        def keep(url, body):
            if body is not None:
                sent.update(body)
            return real(url, body)

        ask = script("ask")
        real, ask.asked = ask.asked, keep
        ask.main(address)
    messages.EventBatch.model_validate(sent)
    # What it read the item from has to be what serving answers.
    messages.ListedItem.model_validate(Shop.items[0])


# upload.py


@dataclass
class Kubeflow:
    """Of kfp.Client what the script asks of it."""

    pipelines: dict[str, dict[str, str]] = field(default_factory=dict)
    schedules: dict[str, dict[str, Any]] = field(default_factory=dict)

    def get_pipeline_id(self, name):
        return name if name in self.pipelines else None

    def upload_pipeline(self, path, name, **space):
        # As the API does, which calls the first version after the pipeline.
        self.pipelines[name] = {name: f"{name}/0"}
        return SimpleNamespace(pipeline_id=name)

    def list_pipeline_versions(self, pipeline_id, page_token, page_size):
        known = [
            SimpleNamespace(display_name=name, pipeline_version_id=version)
            for name, version in self.pipelines[pipeline_id].items()
        ]
        # One a page.
        at = int(page_token or 0)
        more = str(at + 1) if at + 1 < len(known) else ""
        return SimpleNamespace(pipeline_versions=known[at : at + 1], next_page_token=more)

    def upload_pipeline_version(self, path, name, pipeline_id):
        version = f"{pipeline_id}/{len(self.pipelines[pipeline_id])}"
        self.pipelines[pipeline_id][name] = version
        return SimpleNamespace(display_name=name, pipeline_version_id=version)

    def create_experiment(self, name, **space):
        return SimpleNamespace(experiment_id=name)

    def list_recurring_runs(self, page_size, experiment_id):
        runs = [SimpleNamespace(display_name=n, recurring_run_id=n) for n in self.schedules]
        return SimpleNamespace(recurring_runs=runs or None)

    def create_recurring_run(self, experiment_id, name, **how):
        self.schedules[name] = how

    def delete_recurring_run(self, run_id):
        del self.schedules[run_id]


SCHEDULE = {"cron": "0 0 2 * * *", "parameters": {"workers": 2}}


def settings(**changes):
    return {
        "prefix": "shop",
        "version": "0.1.0",
        "namespace": "",
        "experiment": "coterie",
        "service_account": "shop-train",
        "schedules": {"train": SCHEDULE},
        **changes,
    }


@pytest.fixture
def pipeline(tmp_path):
    path = tmp_path / "train.yaml"
    inputs = {"parameters": {"source": {}, "workers": {}}}
    path.write_text(yaml.safe_dump({"root": {"inputDefinitions": inputs}, "v": 1}))
    return path


def test_the_first_upload_makes_a_pipeline_and_its_schedule(pipeline):
    kubeflow = Kubeflow()
    script("upload").upload(kubeflow, pipeline, settings())
    assert list(kubeflow.pipelines) == ["shop-train"]
    (schedule,) = kubeflow.schedules.values()
    assert schedule["params"] == {"workers": 2}
    assert "enable_caching" not in schedule, "each step says itself"
    assert schedule["cron_expression"] == "0 0 2 * * *"
    assert schedule["max_concurrency"] == 1
    assert schedule["version_id"] == "shop-train/1"


def test_the_same_again_changes_nothing(pipeline):
    kubeflow, upload = Kubeflow(), script("upload")
    upload.upload(kubeflow, pipeline, settings())
    before = json.dumps([kubeflow.pipelines, kubeflow.schedules])
    upload.upload(kubeflow, pipeline, settings())
    assert json.dumps([kubeflow.pipelines, kubeflow.schedules]) == before


def test_a_changed_pipeline_is_a_new_version_that_the_schedule_runs(pipeline):
    kubeflow, upload = Kubeflow(), script("upload")
    upload.upload(kubeflow, pipeline, settings())
    pipeline.write_text(pipeline.read_text().replace("v: 1", "v: 2"))
    upload.upload(kubeflow, pipeline, settings())
    assert list(kubeflow.pipelines) == ["shop-train"]
    assert len(kubeflow.pipelines["shop-train"]) == 3
    (schedule,) = kubeflow.schedules.values()
    assert schedule["version_id"] == "shop-train/2"


def test_a_schedule_that_is_turned_off_is_removed_and_others_stay(pipeline):
    kubeflow, upload = Kubeflow({}, {"by-hand": {}}), script("upload")
    upload.upload(kubeflow, pipeline, settings())
    assert len(kubeflow.schedules) == 2
    upload.upload(kubeflow, pipeline, settings(schedules={"train": {**SCHEDULE, "cron": ""}}))
    assert list(kubeflow.schedules) == ["by-hand"]


def test_a_parameter_that_no_pipeline_has_is_refused(pipeline):
    wrong = settings(schedules={"train": {**SCHEDULE, "parameters": {"wrokers": 2}}})
    with pytest.raises(SystemExit, match=r"no parameter wrokers: expected source, workers"):
        script("upload").upload(Kubeflow(), pipeline, wrong)


def test_all_pipelines_are_uploaded_and_those_with_a_schedule_run(tmp_path, monkeypatch):
    """The compiled ones, with the defaults of an install."""
    compiling = pytest.importorskip("pipelines.compile")
    compiling.compile_pipelines(str(tmp_path), {"source": "s3://shop/tables"})
    upload, kubeflow = script("upload"), Kubeflow()
    monkeypatch.setattr(upload, "connect", lambda settings: kubeflow)
    monkeypatch.setattr("sys.argv", ["upload.py", str(tmp_path)])
    schedules = {
        "refresh": {"cron": "0 0 2 * * *", "parameters": {"roll_out": True}},
        "train": {"cron": "", "parameters": {}},
    }
    monkeypatch.setenv("UPLOAD_SETTINGS", json.dumps(settings(schedules=schedules)))
    upload.main()
    assert set(kubeflow.pipelines) == {
        f"shop-{name}" for name in ("train", "refresh", "backtest", "rollback")
    }
    (schedule,) = kubeflow.schedules.values()
    assert schedule["pipeline_id"] == "shop-refresh"
    assert schedule["params"] == {"roll_out": True}


def test_a_schedule_of_no_pipeline_is_refused(tmp_path, pipeline, monkeypatch):
    upload = script("upload")
    monkeypatch.setattr(upload, "connect", lambda settings: Kubeflow())
    monkeypatch.setattr("sys.argv", ["upload.py", str(pipeline.parent)])
    monkeypatch.setenv("UPLOAD_SETTINGS", json.dumps(settings(schedules={"tarin": SCHEDULE})))
    with pytest.raises(SystemExit, match="no pipeline tarin"):
        upload.main()


def test_the_client_has_what_the_script_asks_for():
    """Names and arguments of the pinned kfp; no cluster."""
    import inspect

    from kfp import Client

    for name in (n for n in vars(Kubeflow) if not n.startswith("_")):
        if name in {"pipelines", "schedules"}:
            continue
        ours = list(inspect.signature(getattr(Kubeflow, name)).parameters)[1:]
        theirs = inspect.signature(getattr(Client, name)).parameters
        assert set(ours) - {"space", "how", "path", "name", "run_id"} <= set(theirs), name
    how = inspect.signature(Client.create_recurring_run).parameters
    assert {
        "cron_expression", "max_concurrency", "no_catchup", "pipeline_id", "version_id", "params",
        "service_account",
    } <= set(how)  # fmt: skip


# features.py


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


@pytest.fixture
def redis(tmp_path):
    binary = shutil.which("redis-server")
    if not binary:
        pytest.skip("no redis-server: Debian has it")
    port = free_port()
    config = f"port {port}\nbind 127.0.0.1\nrequirepass hunter2\nsave ''\ndir {tmp_path}\n"
    # As the chart's pod does: the password by standard input, not among the arguments.
    server = subprocess.Popen(
        [binary, "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    server.stdin.write(config)
    server.stdin.close()
    for _ in range(100):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            break
        time.sleep(0.05)
    yield port
    server.terminate()
    server.wait()


@pytest.fixture
def store(tmp_path, redis):
    folder = tmp_path / "store"
    folder.mkdir()
    (folder / "feature_store.yaml").write_text(
        yaml.safe_dump(
            {
                "project": "coterie",
                "provider": "local",
                "registry": str(tmp_path / "registry.db"),
                "offline_store": {"type": "file"},
                "online_store": {
                    "type": "redis",
                    "connection_string": f"127.0.0.1:{redis},password=${{FEAST_REDIS_PASSWORD}}",
                },
                "entity_key_serialization_version": 3,
            }
        )
    )
    return folder


def features(*arguments):
    return subprocess.run(
        [sys.executable, str(FILES / "features.py"), *map(str, arguments)],
        env={**os.environ, "FEAST_REDIS_PASSWORD": "hunter2"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.slow
def test_features_are_applied_and_rows_written_online(tmp_path, store):
    import pandas as pd

    offline = tmp_path / "rows"
    offline.mkdir()
    where = (f"--folder={store}", f"--offline={offline}")
    applied = features("apply", *where)
    assert applied.returncode == 0, applied.stderr
    assert "shopper_recent" in applied.stdout
    assert features("wait", f"--registry={tmp_path / 'registry.db'}").returncode == 0

    empty = features("materialise", *where)
    assert empty.returncode == 0, empty.stderr
    assert "nothing to do" in empty.stdout

    from coterie import schema

    when = pd.Timestamp("2026-01-01", tz="UTC")
    common = {"user_id": ["ana"], "event_timestamp": [when], "created_timestamp": [when]}
    recent = {schema.RECENT_ITEMS: [["i1"]], schema.RECENT_KINDS: [[0]], schema.RECENT_TS: [[1]]}
    ties = {
        schema.FRIEND_IDS: [["bea"]],
        schema.FRIEND_STRENGTHS: [[1.0]],
        schema.FRIENDS_NAMED: [[1]],
    }
    for view, columns in ((schema.SHOPPER_RECENT_VIEW, recent), (schema.SHOPPER_TIES_VIEW, ties)):
        pd.DataFrame({**common, **columns}).to_parquet(offline / f"{view}.parquet")
    written = features("materialise", *where)
    assert written.returncode == 0, written.stderr
    read = (
        "import sys; from serving.features import FeastFeatures;"
        "print(FeastFeatures(sys.argv[1]).shopper('ana'))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", read, str(store)],
        env={**os.environ, "FEAST_REDIS_PASSWORD": "hunter2"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode == 0, shown.stderr
    assert "item_ids=('i1',)" in shown.stdout
    assert "ids=('bea',)" in shown.stdout


def test_waiting_goes_on_where_the_store_does_not_answer(monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "nobody")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    waited = features("wait", "--registry=s3://bucket/registry.db", "--seconds=0")
    assert waited.returncode == 1
    assert "does not answer" in waited.stdout
    assert "is not there" in waited.stderr


def test_waiting_for_a_registry_ends(tmp_path):
    waited = features("wait", f"--registry={tmp_path / 'none.db'}", "--seconds=0")
    assert waited.returncode == 1
    assert "is not there" in waited.stderr


# drain.py


def test_a_pod_finds_its_own_node():
    drain = script("drain")
    nodes = {
        b"\x01": SimpleNamespace(node_manager_address="10.0.0.1", state=0),
        b"\x02": SimpleNamespace(node_manager_address="10.0.0.2", state=1),
        b"\x03": SimpleNamespace(node_manager_address="10.0.0.2", state=0),
    }
    assert drain.own_node(nodes, "10.0.0.2") == "03"
    with pytest.raises(RuntimeError, match=r"no living node has address '10\.0\.0\.9'"):
        drain.own_node(nodes, "10.0.0.9")


def test_a_pod_ends_also_where_no_head_answers():
    environment = {**os.environ, "RAY_ADDRESS": ""}
    done = subprocess.run(
        [sys.executable, str(FILES / "drain.py"), "--seconds=0.1"],
        env={k: v for k, v in environment.items() if k != "RAY_ADDRESS"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0
    assert "not drained" in done.stderr


def test_a_pod_answers_as_ever_until_endpoints_have_forgotten_it(monkeypatch):
    """Where no other node has room, Serve stops the replicas of one that drains."""
    drain, now, asked = script("drain"), [100.0], []
    monkeypatch.setattr(drain.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(drain.time, "sleep", lambda s: now.__setitem__(0, now[0] + s))
    monkeypatch.setattr(drain, "drain", lambda *given: asked.append((now[0] - 100, *given)))
    monkeypatch.setattr("sys.argv", ["drain.py", "--seconds=10"])
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    drain.main()
    assert asked == [(3, "head:6379", 7)]
    assert now[0] == 110, "as long as it is told"


@pytest.mark.slow
def test_ray_takes_the_request_to_drain(monkeypatch):
    ray = pytest.importorskip("ray")
    drain = script("drain")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    context = ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False)
    try:
        from ray._raylet import GcsClient

        address = context.address_info["gcs_address"]
        nodes = GcsClient(address=address).get_all_node_info()
        (node,) = nodes.values()
        assert len(drain.own_node(nodes, node.node_manager_address)) == 56
        monkeypatch.setenv("POD_IP", node.node_manager_address)
        drain.drain(address, 5)
    finally:
        ray.shutdown()
