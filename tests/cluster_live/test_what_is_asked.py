"""What the steps on a cluster ask for, held against the interfaces: this needs no cluster."""

import http.server
import importlib.util
import inspect
import json
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import live_pods
import pytest
from live_cluster import RELEASE, ROOT, Cluster, CommandError
from live_install import Install, Release, refuse_others
from live_settings import images, missing, read
from live_table import ORDER, PAGE, page, table
from test_live_rollouts import QUICK
from test_upgrades import FOREVER
from waiting import not_for_as_long_as

sys.path.insert(0, str(ROOT / "tests" / "serving"))
sys.path.insert(0, str(ROOT / "tests" / "helm"))
import chart as rendered
from test_chart_schemas import SCHEMAS
from tools import NoHelmError, helm

HERE = Path(__file__).parent
TEXT = "".join(path.read_text() for path in HERE.glob("*.py") if path != Path(__file__))
GIVEN = {
    "COTERIE_IMAGE": "registry.example/shop/coterie-serve:7",
    "COTERIE_S3": "http://s3.example:9000",
    "COTERIE_NAMESPACE": "live",
    "COTERIE_PROMETHEUS": "http://prometheus.watching.svc:9090",
    "COTERIE_PROMETHEUS_LABEL": "release=watching",
}
SETTINGS = read(GIVEN)
RELEASED = Release("v1", "0" * 64, "s3://coterie/live/releases/v1", ("ana",))


@pytest.fixture(scope="module")
def chart():
    try:
        return rendered.Chart(helm())
    except NoHelmError as error:
        pytest.skip(f"no helm: {error}")


class Rendering(Cluster):
    """Renders where helm would install; a cluster that is asked holds nothing."""

    def helm(self, *arguments, check=True):
        rest = list(arguments[3:])
        rest.remove("--install")
        command = ["template", *arguments[1:3], *rest]
        self.said = self._run([str(helm()), *command, "--namespace", self.namespace], check)
        return self.said

    def kubectl(self, *arguments, check=True, stdin=None):
        return ""


@pytest.fixture
def install(chart):
    return Install(Rendering(SETTINGS.namespace), SETTINGS)


# settings


def test_settings_are_read_from_the_environment():
    assert SETTINGS.train_image == "registry.example/shop/coterie-train:7"
    assert SETTINGS.prefix == "s3://coterie/live"
    assert not SETTINGS.ours, "a namespace that a person names is not removed"
    assert read({k: v for k, v in GIVEN.items() if k != "COTERIE_NAMESPACE"}).ours
    assert missing({}) == ["KUBECONFIG", "COTERIE_IMAGE", "COTERIE_S3"]
    assert images("coterie-serve:0.1.0") == {"registry": "", "tag": "0.1.0"}
    with pytest.raises(ValueError, match="expected REGISTRY/coterie-serve:TAG"):
        images("registry.example:5000/coterie-serve")


def test_the_page_names_every_variable():
    page = (ROOT / "docs/cluster.md").read_text()
    source = (HERE / "live_settings.py").read_text()
    assert set(re.findall(r'"(COTERIE_[A-Z0-9_]+|KUBECONFIG)"', source)) <= set(
        re.findall(r"`([A-Z0-9_]+)`", page)
    )


class Holds(Cluster):
    """A namespace with these objects."""

    found: tuple[tuple[str, str], ...] = ()

    def kubectl(self, *arguments, check=True, stdin=None):
        _, kind, name, *_ = arguments
        if kind == "configmap":
            return json.dumps({"kind": kind}) if (kind, name) in self.found else ""
        assert "app.kubernetes.io/instance in (coterie, second)" in arguments
        items = [{"kind": k, "metadata": {"name": n}} for k, n in self.found]
        return json.dumps({"items": items})


@pytest.mark.parametrize(
    ("found", "refused"),
    [
        ((), False),
        ((("Secret", "coterie-redis"),), True),
        ((("Secret", "coterie-redis"), ("configmap", "live-programs")), False),
    ],
    ids=["empty", "somebody's", "of a run before"],
)
def test_an_install_that_is_not_the_suites_is_left_alone(found, refused):
    cluster = Holds(SETTINGS.namespace)
    cluster.found = found
    if refused:
        with pytest.raises(CommandError, match=r"Secret coterie-redis.*COTERIE_NAMESPACE"):
            refuse_others(cluster, SETTINGS)
    else:
        refuse_others(cluster, SETTINGS)


# helm and kubectl


@pytest.mark.parametrize("command", ["upgrade", "status", "test", "uninstall", "rollback"])
def test_helm_has_every_option(chart, command):
    known = set(re.findall(r"--[a-z-]+", chart.run(command, "--help")))
    options = {
        "upgrade": {"--install", "--values", "--set-json", "--timeout", "--wait"},
        "status": {"--output"},
        "test": {"--timeout"},
        "uninstall": {"--wait", "--timeout"},
        "rollback": {"--timeout"},
    }[command]
    assert {"--namespace", *options} <= known
    assert all(option in TEXT for option in options)
    forced = [path.name for path in HERE.glob("*.py") if '"--force-conflicts"' in path.read_text()]
    assert set(forced) <= {"live_install.py", "test_previous_version.py", Path(__file__).name}, (
        "in repair, and from a version that owned other fields"
    )


def test_every_change_of_a_step_is_a_value_of_the_chart(install):
    """Each step's values, as far as they are written down, pass the chart's schema."""
    install.upgrade({"release": {**RELEASED.values, "force": True}})
    changes = [
        {"serving": {"logLevel": "DEBUG"}},
        {"serving": {"maxEventAgeDays": 3000}},
        {"serving": {"attributionSeconds": 301}},
        {"rollouts": {"intervalSeconds": 3}},
        {"networkPolicy": {"apiServerPorts": [1]}},
        {"images": {"tag": "there-is-no-such-tag"}},
    ]
    for change in changes:
        (part, (name, *_)) = next(iter((k, tuple(v)) for k, v in change.items()))
        assert f'"{part}": {{"{name}"' in TEXT, "no step changes this"
        assert "kind: RayService" in install.upgrade(change)


def test_the_suite_installs_what_it_looks_for(install):
    objects = rendered.parse(install.upgrade({"release": RELEASED.values}))
    made = set(rendered.named(objects))
    assert {
        f"RayService/{RELEASE}", f"Secret/{RELEASE}-app", f"Secret/{RELEASE}-redis",
        f"ConfigMap/{RELEASE}-rollout", f"ConfigMap/{RELEASE}-settings",
        f"ConfigMap/{RELEASE}-training", f"StatefulSet/{RELEASE}-redis",
        f"ServiceAccount/{RELEASE}-train", f"Lease/{RELEASE}-rollout",
    } <= made  # fmt: skip
    components = {"worker", "head", "controller", "consumer", "redis"}
    assert components <= {pod.component for pod in rendered.pods(objects)}
    redis = rendered.one(objects, "StatefulSet", f"{RELEASE}-redis")
    (claim,) = redis["spec"]["volumeClaimTemplates"]
    assert claim["metadata"]["name"] == "data"
    settings = rendered.one(objects, "ConfigMap", f"{RELEASE}-settings")["data"]
    (controller,) = [pod for pod in rendered.pods(objects) if pod.component == "controller"]
    (container,) = controller.spec["containers"]
    assert f"--prometheus={GIVEN['COTERIE_PROMETHEUS']}" in container["args"]
    assert settings["COTERIE_RELEASES"] == install.store
    training = rendered.one(objects, "ConfigMap", f"{RELEASE}-training")["data"]
    assert training["AWS_ENDPOINT_URL"] == live_pods.endpoint(SETTINGS)
    for worker in (pod for pod in rendered.pods(objects) if pod.component == "worker"):
        (state,) = [v for v in worker.spec["volumes"] if v["name"] == "state"]
        assert state["emptyDir"]["sizeLimit"] == "256Mi", "a step writes 400 MB into it"


def test_policies_let_the_suites_pods_reach_what_they_need(install):
    """The maker of releases is taken for a pipeline's step; others need the API alone."""
    objects = rendered.parse(install.upgrade({"release": RELEASED.values}))
    redis = rendered.one(objects, "NetworkPolicy", f"{RELEASE}-redis")
    (rule,) = redis["spec"]["ingress"]
    assert {"matchLabels": live_pods.STEP} in [peer["podSelector"] for peer in rule["from"]]


def test_an_upgrade_that_changes_the_log_level_brings_a_new_ray_cluster(install):
    before, after = (
        rendered.one(rendered.parse(install.upgrade(change)), "RayService", RELEASE)["spec"]
        for change in ({"release": RELEASED.values}, {"serving": {"logLevel": "DEBUG"}})
    )
    assert before["rayClusterConfig"] != after["rayClusterConfig"]


# KubeRay and our API


def test_kuberay_tells_what_is_read():
    if not SCHEMAS.is_dir():
        pytest.skip(f"no schemas of custom resources in {SCHEMAS}")
    service = json.loads((SCHEMAS / "RayService.ray.io.v1.json").read_text())
    status = service["properties"]["status"]["properties"]
    assert "rayClusterName" in status["activeServiceStatus"]["properties"]
    assert "conditions" in status


@pytest.mark.parametrize("plan", [QUICK, FOREVER])
def test_the_plans_of_the_steps_are_plans(plan):
    from serving.api.admin import PlanIn

    assert PlanIn(**plan).plan().min_samples == plan["min_samples"]


def test_the_api_answers_with_what_is_read():
    from serving.api.admin import History
    from serving.schemas import EventReceipt, ListedItem, Reason

    assert {"kind", "friend", "text"} <= Reason.model_fields.keys()
    assert {"reasons", "item"} <= ListedItem.model_fields.keys()
    assert "accepted" in EventReceipt.model_fields
    assert "transitions" in History.model_fields


# Kubeflow


def test_the_client_of_pipelines_takes_every_argument():
    from kfp import Client

    asked = {
        "get_pipeline_id": (("name",), {}),
        "list_pipeline_versions": (("id",), {"sort_by": "created_at desc"}),
        "create_experiment": (("name",), {}),
        "run_pipeline": (
            ("experiment", "name"),
            {"pipeline_id": "", "version_id": "", "params": {}, "service_account": ""},
        ),
        "get_run": (("id",), {}),
        "terminate_run": (("id",), {}),
    }
    for name, (positional, named) in asked.items():
        assert f".{name}(" in TEXT
        inspect.signature(getattr(Client, name)).bind(None, *positional, **named)


def test_what_pipelines_answer_has_every_field():
    api = pytest.importorskip("kfp_server_api")
    assert {"state", "run_id"} <= api.V2beta1Run.openapi_types.keys()
    assert "pipeline_versions" in api.V2beta1ListPipelineVersionsResponse.openapi_types
    assert "pipeline_version_id" in api.V2beta1PipelineVersion.openapi_types
    assert "experiment_id" in api.V2beta1Experiment.openapi_types


# pods of the suite


def test_pods_of_the_suite_are_let_in_where_restricted_is_enforced():
    store = live_pods.with_store(live_pods.pod("a", "b:1", ["send.py"]), SETTINGS)
    deployment = live_pods.relay(SETTINGS)[1]
    for spec in (store["spec"], deployment["spec"]["template"]["spec"]):
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not [v for v in spec["volumes"] if "hostPath" in v]
        (container,) = spec["containers"]
        security = container["securityContext"]
        assert security["allowPrivilegeEscalation"] is False
        assert security["capabilities"] == {"drop": ["ALL"]}
        assert {"requests", "limits"} <= container["resources"].keys()
        program = container["args"][1].removeprefix("/programs/")
        assert program in live_pods.programs()["data"]
    enforced = live_pods.namespace("x")["metadata"]["labels"]
    assert enforced["pod-security.kubernetes.io/enforce"] == "restricted"
    assert '"run"' not in TEXT.replace('"runAs', ""), "kubectl run is refused there"


def test_what_the_suite_makes_is_what_kubernetes_knows():
    validate = pytest.importorskip("kubernetes_validate")
    pod = live_pods.with_store(live_pods.pod("a", "b:1", ["send.py"]), SETTINGS)
    for made in (
        pod, live_pods.programs(), live_pods.s3_secret(SETTINGS), live_pods.namespace("x"),
        *live_pods.relay(SETTINGS),
    ):  # fmt: skip
        validate.validate(made, "1.31", strict=True)


def program(name):
    spec = importlib.util.spec_from_file_location(f"live_{name}", HERE / "programs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Shop(http.server.BaseHTTPRequestHandler):
    """Answers by turns: as often as ``turns`` says, then well."""

    turns: Any = ()
    asked = 0

    def do_GET(self):
        type(self).asked += 1
        status = self.turns.pop(0) if self.turns else 200
        body = json.dumps({"items": [1] if status != 204 else []}).encode()
        self.send_response(200 if status == 204 else status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def shop():
    kind = type("AShop", (Shop,), {"turns": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), kind)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield kind, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def sending(url, **more):
    given = {"url": f"{url}/USER", "users": ["ana", "bea"], "seconds": 0.5, "patience_s": 5}
    return {**given, "pause_s": 0.01, "threads": 2, **more}


def test_a_load_counts_failures_by_kind_after_it_has_waited(shop, capsys, monkeypatch, tmp_path):
    kind, url = shop
    # Two before it is let through, five that are the wait's, then what is counted.
    kind.turns = [503, 403, 200, 200, 200, 200, 200, 500, 204, 502]
    send = program("send")
    monkeypatch.setattr(send, "STOP", tmp_path / "stop")
    send.main(sending(url))
    *_, last = capsys.readouterr().out.splitlines()
    told = json.loads(last)
    assert told["failed"] == {"HTTP 500": 1, "empty list": 1, "HTTP 502": 1}
    assert told["answered"] == kind.asked - 10
    assert told["waited_s"] > 0
    assert len(told["first_failures"]) == 3


def test_a_load_ends_when_it_is_told_to(shop, capsys, monkeypatch, tmp_path):
    _, url = shop
    send = program("send")
    monkeypatch.setattr(send, "STOP", tmp_path / "stop")
    (tmp_path / "stop").touch()
    with not_for_as_long_as(60):
        send.main(sending(url, seconds=60))
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["answered"] == 0


def test_a_load_that_nobody_answers_says_so(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(SystemExit, match="does not answer within 0 s: ConnectionRefusedError"):
        program("send").main(sending(f"http://127.0.0.1:{port}", patience_s=0))


def test_the_relay_passes_on_what_comes(shop):
    kind, url = shop
    with socket.create_server(("127.0.0.1", 0)) as taken:
        own = taken.getsockname()[1]
    code = (
        "import asyncio, runpy, sys; relay = runpy.run_path(sys.argv[1]);"
        "asyncio.run(relay['main']('127.0.0.1', int(sys.argv[2]), int(sys.argv[3])))"
    )
    there = url.rpartition(":")[2]
    path = HERE / "programs" / "relay.py"
    running = subprocess.Popen([sys.executable, "-c", code, str(path), there, str(own)])
    try:
        send = program("send")
        assert send.wait_for_answers(f"http://127.0.0.1:{own}/ana", "", 20) < 20
        assert kind.asked >= 5
    finally:
        running.terminate()
        running.wait()


def test_the_faulty_release_can_be_read_and_knows_nothing_of_shoppers(tmp_path, capsys):
    from small_shop import write_small_release

    from coterie.release.store import ReleaseStore

    write_small_release(tmp_path / "good")
    store = tmp_path / "store"
    store.mkdir()
    # Not in a process of its own: on a busy machine a library's thread once outlived what was
    # done there, and aborted it. What is asked is what the program leaves.
    program("publish_faulty_release").main(str(tmp_path / "good"), "bad", str(store))
    bad = ReleaseStore(str(store)).get("bad")
    assert json.loads(capsys.readouterr().out)["digest"] == bad.digest
    assert not bad.parameters["item_in"].any()
    assert bad.parameters["item_bias"].any()


def test_a_release_is_made_by_the_pipelines_own_parameters(install):
    from pipelines.local import parse_parameters
    from pipelines.train import train_pipeline

    asked = []
    install.cluster.apply = lambda *objects: asked.extend(objects)
    install.cluster.get = lambda kind, name: {"status": {"phase": "Succeeded"}}
    install.cluster.kubectl = lambda *a, **k: json.dumps({"digest": "0" * 64, "shoppers": ["ana"]})
    release, _ = install.make_release("v1")
    assert release.folder == f"{install.store}/v1"
    (pod,) = asked
    (container,) = pod["spec"]["containers"]
    given = json.loads(container["args"][2])["arguments"]
    # As make_release.py hands them on: what pipelines of before lack is left out.
    known = train_pipeline.component_spec.inputs
    assert set(given) - set(known) <= {"offline"}
    parse_parameters([f"{name}={value}" for name, value in given.items() if name in known])
    assert pod["metadata"]["labels"].items() >= live_pods.STEP.items()
    assert container["image"] == SETTINGS.train_image
    told = {one["name"]: one.get("valueFrom") for one in container["env"]}
    assert {"COTERIE_FEATURE_STORE", "COTERIE_EVENT_LOG", "FEAST_REDIS_PASSWORD"} <= set(told)


def test_what_failed_twice_is_not_waited_for_again(install):
    def fails(version, **arguments):
        raise AssertionError("no")

    install.make_release = fails
    for said in ("no", "no", "failed twice: no"):
        with pytest.raises(AssertionError, match=said):
            install.release_for("first")


def test_the_table_tells_how_each_step_ended():
    results = [
        {"result": "passed", "seconds": 3.5, "step": "install: a", "saw": ["pods=3", "answered=9"]},
        {"result": "failed", "seconds": 61.0, "step": "faults: b", "saw": []},
    ]
    assert table(results) == [
        "passed       3.5 s  install: a  [pods=3; answered=9]",
        "failed      61.0 s  faults: b",
    ]


def test_the_page_lists_every_step():
    """``make chart`` writes it anew."""
    assert page(written := PAGE.read_text()) == written


def test_every_file_of_steps_has_its_place_in_an_installs_life():
    files = {path.stem for path in HERE.glob("test_*.py")} - {Path(__file__).stem}
    assert files == set(ORDER)
