"""The chart sets what serving reads, under the same names, and nothing that nobody reads."""

from dataclasses import fields
from pathlib import Path

import pytest
import yaml
from chart import CI, deployments, one, pods, serve_config, variables

from coterie.data.circle import VARIABLES, CircleRule
from coterie.rollout.live import Live, ReleaseRef
from serving.api.auth import open_scopes
from serving.launch.ray_environment import prepare_ray
from serving.settings import PREFIX, Settings, read_settings

LEFT_OUT = {
    "COTERIE_REPLICAS",  # autoscaling decides
    "COTERIE_MAX_ONGOING",  # serveConfigV2 says it, so it can change in place
    "COTERIE_MAX_QUEUED",
    "COTERIE_SHOPPERS",  # of the demonstration
    "COTERIE_PAGE_KEY",  # of an app that this machine alone reaches
    "COTERIE_PICTURES",  # likewise: a folder beside its tables
    "COTERIE_PSEUDONYM_KEY",  # by a variable of pods, from a secret of the operator's alone
    "COTERIE_PSEUDONYM_KEY_FILE",  # on one machine
    "COTERIE_LLM_KEY",  # by a variable of pods, from a secret of the operator's alone
    "COTERIE_LLM_KEY_FILE",  # on one machine
    "COTERIE_CONTENT_KEY",  # by serving.extraEnv, where an API that encodes queries asks for one
}
TOLD_TO_OTHERS = {
    # By arguments: else Ray's pods would start anew for what the controller alone reads.
    "COTERIE_PROMETHEUS_URL",
    "COTERIE_ROLLOUT_INTERVAL_S",
}
IN_SECRET = {"COTERIE_ADMIN_TOKEN", "COTERIE_CHANGE_TOKEN", "COTERIE_LOG_SALT"}
OF_REDIS = {"COTERIE_EVENT_LOG_PASSWORD"}
"""In the secret of Redis, under the name that Redis' own pod takes."""
LEFT_TO_RAY = {
    # On one machine two apps must not meet; a pod has its files and ports for itself.
    "RAY_SERVE_HAPROXY_BINARY_PATH",
    "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC",
    "RAY_SERVE_HAPROXY_SOCKET_PATH",
    "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH",
    "RAY_SERVE_HAPROXY_SERVER_STATE_BASE",
    "RAY_SERVE_HAPROXY_SERVER_STATE_FILE",
    # KubeRay makes the token, and gives it to every pod.
    "RAY_AUTH_MODE",
    "RAY_AUTH_TOKEN",
}


def ray_containers(objects):
    for pod in pods(objects):
        for container in pod.containers:
            if container["name"] in {"ray-head", "ray-worker"}:
                yield container


def test_every_setting_is_set_or_left_out_on_purpose(example):
    known = {f"{PREFIX}{f.name.upper()}" for f in fields(Settings)}
    data = set(one(example, "ConfigMap", "coterie-settings")["data"])
    secrets = [
        o for o in example if o["kind"] == "Secret" and o["metadata"]["name"].endswith("app")
    ]
    for secret in secrets:
        assert set(secret["data"]) == IN_SECRET
    assert data | IN_SECRET | OF_REDIS | LEFT_OUT | TOLD_TO_OTHERS == known
    serving = [o for o in example if o["kind"] != "RayJob"]  # training writes no events
    for container in ray_containers(serving):
        assert set(variables(container, example)) >= OF_REDIS
    assert not data & (LEFT_OUT | TOLD_TO_OTHERS)


def test_serving_takes_the_settings_as_they_are(example):
    data = one(example, "ConfigMap", "coterie-settings")["data"]
    settings = read_settings({**data, **dict.fromkeys(IN_SECRET, "x" * 32)})
    assert settings.rollouts == "kubernetes://shop/coterie"
    assert settings.log_path == "-"


def test_nothing_is_open_by_default_and_pods_have_digests_alone(example, chart):
    data = one(example, "ConfigMap", "coterie-settings")["data"]
    settings = read_settings({**data, **dict.fromkeys(IN_SECRET, "x" * 32)})
    assert open_scopes(settings, frozenset()) == set()
    folder, _, name = settings.keys.rpartition("/")
    serving = [o for o in example if o["kind"] == "RayService"]
    for pod in pods(serving):
        (volume,) = (v for v in pod.spec["volumes"] if v["name"] == "keys")
        assert volume["secret"]["items"] == [{"key": name, "path": name}]
        for container in pod.containers:
            if container["name"] in {"ray-head", "ray-worker"}:
                mounted = {m["mountPath"]: m for m in container["volumeMounts"]}
                assert mounted[folder]["readOnly"]
    bare = chart.objects(CI["minimal"], "--set", "serving.access.keys=false")
    assert one(bare, "ConfigMap", "coterie-settings")["data"]["COTERIE_KEYS"] == ""
    assert "coterie-keys" not in str(bare)


def test_pipelines_measure_the_lists_that_are_served(chart):
    told = ("minPeople=4", "oneSided=false", "listMinPeople=2")
    options = [part for one in told for part in ("--set", f"serving.reasons.{one}")]
    objects = chart.objects(CI["minimal"], *options)
    steps = one(objects, "ConfigMap", "coterie-training")["data"]
    data = one(objects, "ConfigMap", "coterie-settings")["data"]
    served = read_settings({**data, **dict.fromkeys(IN_SECRET, "x" * 32)}).discretion.circle
    assert {name: steps[name] for name in VARIABLES} == {name: data[name] for name in VARIABLES}
    assert CircleRule.read(steps) == served == CircleRule(2, one_sided=False)


@pytest.mark.parametrize(
    ("values", "log", "export"),
    [
        ("minimal", "redis://coterie-redis.shop.svc:6379/0", "s3://coterie/shop"),
        ("gpu", "redis://coterie-redis.shop.svc:6379/0", "s3://coterie/shop"),
        ("production", "rediss://redis.shop.svc:6380/0", "s3://shop-coterie/shop"),
    ],
)
def test_events_go_to_redis_and_from_there_to_the_tables_of_pipelines(chart, values, log, export):
    objects = chart.objects(CI[values])
    data = one(objects, "ConfigMap", "coterie-settings")["data"]
    settings = read_settings({**data, **dict.fromkeys(IN_SECRET, "x" * 32)})
    consumer = consumer_settings(objects)
    assert settings.event_log == consumer.event_log == log, "one writes where the other reads"
    assert consumer.event_export == export
    options = ("--set", "events.export=s3://elsewhere/tables", "--set", "events.syncSeconds=2")
    changed = chart.objects(CI[values], *options)
    assert consumer_settings(changed).event_export == "s3://elsewhere/tables"
    data = one(changed, "ConfigMap", "coterie-settings")["data"]
    assert data["COTERIE_EVENT_LOG_SYNC_S"] == "2"


def consumer_settings(objects):
    """As the consumer reads them: it says itself that it serves no release."""
    (pod,) = (p for p in pods(objects) if p.component == "consumer")
    found = variables(pod.containers[0], objects)
    return read_settings({k: v for k, v in found.items() if k not in OF_REDIS}, release="none")


@pytest.mark.parametrize(
    ("store", "features"),
    [
        ("s3://b/shop/releases", "s3://b/shop/features"),
        ("s3://b/releases/", "s3://b/features"),
        ("s3://b", "s3://b/features"),
        ("/srv/releases", "/srv/features"),
        ("/releases", "/features"),
    ],
)
def test_features_lie_beside_the_releases_and_in_their_bucket(chart, store, features):
    objects = chart.objects(CI["minimal"], "--set", f"release.store={store}")
    settings = one(objects, "ConfigMap", "coterie-features")["data"]["feature_store.yaml"]
    assert yaml.safe_load(settings)["registry"] == f"{features}/registry.db"


def test_a_receipt_means_that_events_are_on_the_disk_of_redis(chart):
    conf = one(chart.objects(CI["gpu"]), "ConfigMap", "coterie-redis")["data"]["redis.conf"]
    lines = set(conf.splitlines())
    assert {"appendonly yes", "appendfsync always", "maxmemory-policy noeviction"} <= lines


def test_the_consumer_has_what_its_code_takes(example):
    from serving.consumer import options

    (pod,) = (p for p in pods(example) if p.component == "consumer")
    (container,) = pod.containers
    assert container["args"][:3] == ["python", "-m", "serving.consumer"]
    given = options(container["args"][3:])
    assert (given.port, given.once) == (pod.ports["http"], False)
    assert (given.export_every, given.take_over) == (300, 10)
    found = variables(container, example)
    settings = consumer_settings(example)
    assert settings.event_export
    assert settings.log_level == "INFO"
    assert set(found) >= OF_REDIS | {"FEAST_REDIS_PASSWORD"}
    assert settings.features in {m["mountPath"] for m in container["volumeMounts"]}


def test_ports_are_those_of_the_settings(chart):
    objects = chart.objects(CI["gpu"])
    data = one(objects, "ConfigMap", "coterie-settings")["data"]
    (worker,) = (p for p in pods(objects) if p.component == "worker")
    config = serve_config(objects)
    assert worker.ports["coterie-metrics"] == int(data["COTERIE_METRICS_PORT"])
    assert worker.ports["serve"] == int(data["COTERIE_PORT"]) == config["http_options"]["port"]


def test_folders_of_the_settings_are_mounted(chart):
    objects = chart.objects(CI["gpu"])
    data = one(objects, "ConfigMap", "coterie-settings")["data"]
    for container in ray_containers(objects):
        mounts = {m["mountPath"]: m.get("readOnly", False) for m in container["volumeMounts"]}
        assert mounts[data["COTERIE_STATE"]] is False
        assert mounts[data["COTERIE_FEATURES"]] is True
        assert mounts["/tmp"] is False


def test_ray_has_the_switches_that_it_has_on_one_machine(chart, monkeypatch):
    settings = Settings("s3://coterie/releases/1", drain_s=10.0)
    before = dict.fromkeys(LEFT_TO_RAY)
    environment: dict[str, str] = {}
    monkeypatch.setattr("os.environ", environment)
    prepare_ray(settings, Path("/tmp/launcher/haproxy"), {})
    monkeypatch.undo()
    ours = {n: v for n, v in environment.items() if n.startswith("RAY_")}
    assert set(before) <= set(ours)
    objects = chart.objects(CI["gpu"])
    for container in ray_containers(objects):
        found = variables(container, objects)
        for name in set(ours) - LEFT_TO_RAY - {"RAY_SERVE_HAPROXY_LOG_TARGET"}:
            assert found.get(name) == ours[name], name
        # Where nobody listens: its log holds paths, so people's ids.
        assert found["RAY_SERVE_HAPROXY_LOG_TARGET"].endswith("/nobody.sock")


@pytest.mark.parametrize("enabled", [True, False])
def test_haproxy_can_be_left_out(chart, enabled):
    objects = chart.objects(CI["gpu"], "--set", f"serving.haproxy.enabled={str(enabled).lower()}")
    for container in ray_containers(objects):
        found = variables(container, objects)
        assert found["RAY_SERVE_ENABLE_HA_PROXY"] == found["COTERIE_HAPROXY"] == str(int(enabled))


def test_replicas_are_told_what_to_serve_in_the_form_that_they_take(chart):
    found = deployments(chart.objects(CI["gpu"]))
    told = {name: Live.from_json(one["user_config"]) for name, one in found.items()}
    for live in told.values():
        assert live.stable.folder == "s3://coterie/releases/20261126000000"
        assert (live.canary, live.weight, live.mirrored) == (None, 0.0, False)


def test_the_controller_can_change_what_replicas_are_told(chart):
    served = pytest.importorskip("coterie.cluster.served")
    service = one(chart.objects(CI["gpu"]), "RayService", "coterie")
    live = Live(ReleaseRef("a" * 64, "s3://a"), ReleaseRef("b" * 64, "s3://b"), 0.25, True)
    service["spec"]["serveConfigV2"] = served.compose(served.template_of(service), live)
    assert served.read_live(service) == live
    told = {name: one["user_config"] for name, one in deployments([service]).items()}
    assert told == dict.fromkeys(("Api", "EventSink"), live.as_json())


# Ray's own use of pydantic.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_serving_builds_what_the_chart_names(chart):
    """Names and options; the code is not started."""
    pytest.importorskip("ray")
    from ray.serve.schema import ServeDeploySchema

    import serving.deployments as code
    from serving.rollouts.serve_config import sink_names

    objects = chart.objects(CI["gpu"], "--set", "serving.sink.count=3")
    config = ServeDeploySchema.model_validate(serve_config(objects))
    (application,) = config.applications
    module, _, function = application.import_path.partition(":")
    assert (module, application.name) == ("serving.deployments", code.APP)
    assert callable(getattr(code, function))
    sinks = int(one(objects, "ConfigMap", "coterie-settings")["data"]["COTERIE_SINKS"])
    assert sinks == 3
    assert {d.name for d in application.deployments} == {"Api", *sink_names(sinks)}


def test_feasts_settings_are_those_that_feast_takes(chart, tmp_path, monkeypatch):
    repo_config = pytest.importorskip("feast.repo_config")
    objects = chart.objects(CI["production"])
    text = one(objects, "ConfigMap", "coterie-features")["data"]["feature_store.yaml"]
    (tmp_path / "feature_store.yaml").write_text(text)
    monkeypatch.setenv("FEAST_REDIS_PASSWORD", "hunter2")
    config = repo_config.load_repo_config(tmp_path, tmp_path / "feature_store.yaml")
    online = config.online_store
    assert online.connection_string.startswith("redis.shop.svc:6380,ssl=true,")
    assert online.connection_string.endswith(",password=hunter2")
    assert config.registry.path == "s3://shop-coterie/features/registry.db"
    for container in ray_containers(objects):
        assert "FEAST_REDIS_PASSWORD" in variables(container, objects)


def test_the_head_does_not_set_what_kuberay_sets(chart):
    """It refuses a RayService that sets these itself, besides gcsFaultToleranceOptions."""
    objects = chart.objects(CI["gpu"])
    for container in ray_containers(objects):
        assert not {"REDIS_PASSWORD", "RAY_REDIS_ADDRESS"} & set(variables(container, objects))


def test_the_chart_has_the_projects_version(chart):
    import coterie

    meta = yaml.safe_load((chart.folder / "Chart.yaml").read_text())
    assert meta["appVersion"] == coterie.__version__


def test_ray_is_the_version_that_is_pinned(chart):
    from chart import ROOT

    pins = dict(
        line.split("==") for line in (ROOT / "constraints.txt").read_text().split() if "==" in line
    )
    service = one(chart.objects(CI["gpu"]), "RayService", "coterie")
    assert service["spec"]["rayClusterConfig"]["rayVersion"] == pins["ray"]
