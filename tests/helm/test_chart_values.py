"""Values: what each turns on and off, what is refused, and that every one is described."""

import json
import shutil
import sys

import pytest
import yaml
from chart import CI, FOLDER, ROOT, Chart, ChartError, named, one, parse, pods, variables

sys.path.insert(0, str(ROOT / "helm"))
import readme


def leaves(values, path=()):
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*path, key))
        else:
            yield ".".join((*path, key))


def test_the_readme_is_made_of_the_values():
    assert (FOLDER / "README.md").read_text() == readme.readme(), "run `make chart`"


def test_every_value_is_described():
    text = (FOLDER / "values.yaml").read_text()
    described = {key for key, _ in readme.described(text)}
    for leaf in leaves(yaml.safe_load(text)):
        parts = leaf.split(".")
        above = {".".join(parts[:n]) for n in range(1, len(parts) + 1)}
        assert above & described, f"{leaf} has no `# --` line"


def test_schema_and_values_name_the_same():
    values = yaml.safe_load((FOLDER / "values.yaml").read_text())
    schema = json.loads((FOLDER / "values.schema.json").read_text())
    schema["properties"].pop("global")
    assert_same(values, schema, "values")


def assert_same(values, schema, where):
    if "properties" not in schema:
        return
    assert schema["additionalProperties"] is False, where
    assert set(values) == set(schema["properties"]), where
    for key, value in values.items():
        if isinstance(value, dict):
            assert_same(value, schema["properties"][key], f"{where}.{key}")


def every_object(schema, where="schema"):
    if isinstance(schema, dict):
        if "properties" in schema:
            yield where, schema
        for key, value in schema.items():
            yield from every_object(value, f"{where}.{key}")


def test_the_schema_is_closed():
    schema = json.loads((FOLDER / "values.schema.json").read_text())
    for where, found in every_object(schema):
        if where != "schema.properties":
            assert found.get("additionalProperties") is False, where


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("serving.wrokers.min=3", "wrokers"),
        ("serving.workers.mni=3", "mni"),
        ("relase.store=s3://x", "relase"),
        ("images.tag=latest", "/images/tag"),
        ("release.digest=abc", "/release/digest"),
        ("serving.logLevel=info", "/serving/logLevel"),
        ("serving.canaryTimeoutSeconds=0", "/serving/canaryTimeoutSeconds"),
        ("redis.appendfsync=sometimes", "/redis/appendfsync"),
        ("redis.image=redis", "/redis/image"),
        ("events.export=shop", "/events/export"),
        ("events.exportSeconds=0", "/events/exportSeconds"),
        ("events.consumer.replicas=0", "/events/consumer/replicas"),
        ("redis.image=redis:latest", "/redis/image"),
        ("monitoring.enabled=maybe", "/monitoring/enabled"),
        ("pipelines.recurring.train.cron=0 0 * * *", "/pipelines/recurring/train/cron"),
        ("pipelines.recurring.backtest.enabled=true", "backtest"),
        ("serving.upgradeStrategy=Recreate", "/serving/upgradeStrategy"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(chart, wrong, said):
    with pytest.raises(ChartError, match=said):
        chart.text(CI["minimal"], "--set", wrong)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--set", "release.store="], "release.store has to name"),
        (["--set", "release.folder=s3://x/releases/1"], "release.digest has to be"),
        (["--set", "redis.enabled=false"], "redis.address has to name"),
        (["--set", "ingress.enabled=true"], "ingress.host has to name"),
        (["--set", "httpRoute.enabled=true"], "httpRoute.gateway.name has to name"),
        (["--kube-version", "1.27.0"], "kubeVersion"),
    ],
)
def test_what_is_missing_is_named(chart, options, said):
    with pytest.raises(ChartError, match=said):
        chart.text(CI["minimal"], *options)


def test_a_pod_has_time_to_drain(chart):
    with pytest.raises(ChartError, match=r"serving.workers.graceSeconds is 60 and .* 60"):
        chart.text(CI["gpu"], "--set", "serving.drainSeconds=60")


def added(chart, base, *options):
    """Names of objects that options add, and of those that they take away."""
    before, after = (set(named(chart.objects(CI[base], *o))) for o in ((), options))
    return after - before, before - after


def on(**toggles):
    return [part for key, value in toggles.items() for part in ("--set", f"{key}={value}")]


def test_rollouts_can_be_left_out(chart):
    _, gone = added(chart, "gpu", "--set", "rollouts.enabled=false")
    kinds = ["Deployment", "Service", "ServiceAccount", "Role", "RoleBinding"]
    kinds += ["PodDisruptionBudget", "NetworkPolicy", "ServiceMonitor"]
    assert gone == {f"{kind}/coterie-controller" for kind in kinds} | {
        "ConfigMap/coterie-rollout",
        "ConfigMap/coterie-rollout-commands",
        "ConfigMap/coterie-before",
        "Lease/coterie-rollout",
        "Role/coterie-worker",
        "RoleBinding/coterie-worker",
    }


def test_one_controller_alone_has_no_budget(chart):
    _, gone = added(chart, "gpu", "--set", "rollouts.replicas=1")
    assert gone == {"PodDisruptionBudget/coterie-controller"}


def test_one_consumer_alone_has_no_budget(chart):
    _, gone = added(chart, "gpu", "--set", "events.consumer.replicas=1")
    assert gone == {"PodDisruptionBudget/coterie-consumer"}


def test_redis_may_be_elsewhere(chart):
    options = ("--set", "redis.enabled=false", "--set", "redis.address=redis.other:6379")
    _, gone = added(chart, "gpu", *options)
    kinds = ("StatefulSet", "Service", "ConfigMap", "ServiceAccount", "NetworkPolicy")
    assert gone == {f"{kind}/coterie-redis" for kind in kinds}
    objects = chart.objects(CI["gpu"], *options)
    store = one(objects, "ConfigMap", "coterie-features")["data"]["feature_store.yaml"]
    assert "redis.other:6379" in store


def test_nothing_is_served_before_there_is_a_release(chart):
    objects = chart.objects(CI["minimal"])
    assert not {"RayService", "Pod"} & {o["kind"] for o in objects}
    new, _ = added(
        chart, "minimal", "--set", "release.folder=s3://x/releases/1",
        "--set", "release.digest=" + "a" * 64,
    )  # fmt: skip
    removal = ("ServiceAccount", "Role", "RoleBinding", "Job")
    assert new == {
        "RayService/coterie",
        "Service/coterie-api",
        "Pod/coterie-test-api",
        "PodDisruptionBudget/coterie-worker",
        *(f"{kind}/coterie-removal" for kind in removal),
    }


def test_jobs_can_be_left_out(chart):
    _, gone = added(
        chart, "gpu", "--set", "features.apply=false", "--set", "pipelines.upload=false",
        "--set", "features.materialise.enabled=false",
    )  # fmt: skip
    assert gone == {
        "Job/coterie-features-apply",
        "Job/coterie-pipelines-upload",
        "CronJob/coterie-features-materialise",
    }


def test_monitors_can_be_left_out(chart):
    _, gone = added(chart, "gpu", "--set", "monitoring.enabled=false")
    assert {name.partition("/")[0] for name in gone} <= {
        "PodMonitor",
        "ServiceMonitor",
        "PrometheusRule",
    }
    assert len(gone) >= 2


def test_auto_makes_no_monitors_where_the_kinds_are_unknown(chart):
    new, _ = added(chart, "gpu", "--set", "monitoring.enabled=auto")
    kinds = {o["kind"] for o in chart.objects(CI["gpu"], "--set", "monitoring.enabled=auto")}
    assert not new
    assert not {"PodMonitor", "ServiceMonitor", "PrometheusRule"} & kinds


def test_auto_makes_monitors_where_the_kinds_are_known(chart):
    known = [
        f"--api-versions=monitoring.coreos.com/v1/{k}" for k in ("PodMonitor", "ServiceMonitor")
    ]
    kinds = {o["kind"] for o in chart.objects(CI["minimal"], *known)}
    assert "ServiceMonitor" in kinds


def test_what_is_monitored_has_the_labels_that_prometheus_selects_by(chart):
    for o in chart.objects(CI["gpu"]):
        if o["kind"] in {"PodMonitor", "ServiceMonitor", "PrometheusRule"}:
            assert o["metadata"]["labels"]["release"] == "kube-prometheus-stack"


def test_rules_and_dashboards_come_from_files_as_they_are(chart, tmp_path):
    folder = shutil.copytree(FOLDER, tmp_path / "coterie")
    rule = {
        "alert": "CoterieDown",
        "expr": 'up{job="coterie"} == 0',
        "annotations": {"summary": "{{ $labels.pod }} is down"},
    }
    (folder / "rules").mkdir(exist_ok=True)
    (folder / "dashboards").mkdir(exist_ok=True)
    planted = {"groups": [{"name": "coterie", "rules": [rule]}]}
    (folder / "rules" / "planted.yaml").write_text(yaml.safe_dump(planted))
    dashboard = {"title": "Planted", "panels": [{"legendFormat": "{{pod}}"}]}
    (folder / "dashboards" / "planted.json").write_text(json.dumps(dashboard))
    objects = Chart(chart.binary, folder).objects(CI["gpu"])
    assert one(objects, "PrometheusRule", "coterie-planted")["spec"] == planted
    found = one(objects, "ConfigMap", "coterie-dashboard-planted")
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(found["data"]["planted.json"]) == dashboard
    without = Chart(chart.binary, folder).objects(CI["gpu"], "--set", "monitoring.dashboards=false")
    assert "ConfigMap/coterie-dashboard-planted" not in named(without)


def test_only_the_api_is_reachable_from_outside(chart):
    objects = chart.objects(CI["production"])
    (rule,) = one(objects, "Ingress", "coterie")["spec"]["rules"]
    paths = [path["path"] for path in rule["http"]["paths"]]
    assert paths == ["/v1/users", "/v1/events", "/v1/items", "/v1/ties", "/v1/groups"]
    (rule,) = one(objects, "HTTPRoute", "coterie")["spec"]["rules"]
    assert [match["path"]["value"] for match in rule["matches"]] == paths


def test_all_requests_go_to_our_own_service(chart):
    """KubeRay's moves to a new cluster before Kubernetes knows that one of its workers is ready."""
    text = chart.text(CI["production"])
    objects = parse(text)
    service = one(objects, "Service", "coterie-api")
    expected = (service["metadata"]["name"], service["spec"]["ports"][0]["port"])
    (rule,) = one(objects, "Ingress", "coterie")["spec"]["rules"]
    for path in rule["http"]["paths"]:
        target = path["backend"]["service"]
        assert (target["name"], target["port"]["number"]) == expected
    (rule,) = one(objects, "HTTPRoute", "coterie")["spec"]["rules"]
    assert [(b["name"], b["port"]) for b in rule["backendRefs"]] == [expected]
    (test,) = one(objects, "Pod", "coterie-test-api")["spec"]["containers"]
    assert test["args"][-1] == "http://coterie-api.shop.svc:8000"
    assert "-serve-svc" not in text


def test_gpus_and_queue_reach_the_pipelines(chart):
    data = one(chart.objects(CI["gpu"]), "ConfigMap", "coterie-training")["data"]
    found = json.loads(data["training.json"])
    assert found["resources"]["limits"] == {"cpu": "4", "memory": "16Gi", "nvidia.com/gpu": 1}
    assert found["node_selector"] == {"node-pool": "gpu"}
    assert found["labels"] == {"kueue.x-k8s.io/queue-name": "training"}
    bare = one(chart.objects(CI["minimal"]), "ConfigMap", "coterie-training")["data"]
    assert json.loads(bare["training.json"])["labels"] == {}
    assert "nvidia.com/gpu" not in bare["training.json"]


def container_of(objects, name):
    (job,) = [p for p in pods(objects) if p.owner == f"Job/{name}"]
    (container,) = job.containers
    return container


def test_pipelines_have_the_defaults_of_this_install(chart):
    """Whoever starts one in the Kubeflow UI has to know none of them."""
    compiling = pytest.importorskip("pipelines.compile")
    objects = chart.objects(CI["gpu"])
    upload = container_of(objects, "coterie-pipelines-upload")
    defaults = json.loads(variables(upload, objects)["PIPELINE_DEFAULTS"])
    assert '--defaults "$PIPELINE_DEFAULTS"' in upload["args"][-1]
    known = {name for one in compiling.PIPELINES.values() for name in one.component_spec.inputs}
    assert set(defaults) <= known
    assert defaults["source"] == "s3://coterie/shop"
    assert defaults["ray_address"] == "rayjob"
    assert defaults["s3_secret"] == "minio-user"
    assert defaults["api"] == "http://coterie-api.shop.svc:8000"
    for kind, parameter in (("Secret", "app_secret"), ("ConfigMap", "training_config")):
        assert f"{kind}/{defaults[parameter]}" in named(objects)
    bare = chart.objects(CI["minimal"], "--set", "training.workers=0")
    found = variables(container_of(bare, "coterie-pipelines-upload"), bare)
    assert json.loads(found["PIPELINE_DEFAULTS"])["ray_address"] == "local"
    assert "source" not in json.loads(found["PIPELINE_DEFAULTS"])


def test_schedules_are_those_of_the_values(chart):
    objects = chart.objects(CI["gpu"])
    found = variables(container_of(objects, "coterie-pipelines-upload"), objects)
    assert json.loads(found["UPLOAD_SETTINGS"])["schedules"] == {
        "refresh": {"cron": "0 0 2 * * *", "parameters": {"roll_out": True, "min_gain": 0.02}},
        "train": {"cron": "0 0 4 * * 0", "parameters": {"model": "social"}},
    }
    with pytest.raises(ChartError, match=r"training\.source has to name"):
        chart.text(CI["minimal"], "--set", "pipelines.recurring.refresh.enabled=true")


def test_steps_find_what_they_ask_the_config_map_for(chart):
    cluster = pytest.importorskip("pipelines.kubernetes")
    data = one(chart.objects(CI["gpu"]), "ConfigMap", "coterie-training")["data"]
    asked = {*cluster.S3_SETTINGS, *cluster.FEATURES, *cluster.VARIABLES, cluster.KEEP_DAYS}
    assert set(data) == {cluster.TRAINING_KEY, *asked}


def test_steps_hand_features_over_to_the_store_that_serving_reads(chart):
    objects = chart.objects(CI["gpu"])
    told, read, settings = (
        one(objects, "ConfigMap", f"coterie-{name}")["data"]
        for name in ("training", "features", "settings")
    )
    assert told["feature_store.yaml"] == read["feature_store.yaml"]
    assert told["event_log"] == settings["COTERIE_EVENT_LOG"]
    cluster = pytest.importorskip("pipelines.kubernetes")
    secret = one(objects, "Secret", "coterie-redis")
    assert cluster.REDIS_KEY in secret["data"]
    upload = container_of(objects, "coterie-pipelines-upload")
    defaults = json.loads(variables(upload, objects)["PIPELINE_DEFAULTS"])
    assert defaults["redis_secret"] == secret["metadata"]["name"]
    names = ("Job/coterie-features-apply", "CronJob/coterie-features-materialise")
    jobs = {p.owner: p.containers[0]["args"] for p in pods(objects) if p.owner in names}
    for name in names:
        assert f"--offline={defaults['offline']}" in jobs[name]
    assert f"--event-log={told['event_log']}" in jobs[names[1]]


@pytest.mark.parametrize("keep", [True, False])
def test_secrets_and_the_book_are_kept_unless_told_otherwise(chart, keep):
    objects = chart.objects(CI["gpu"], "--set", f"keepOnUninstall={str(keep).lower()}")
    kept = {
        name
        for name, o in zip(named(objects), objects, strict=True)
        if o["metadata"].get("annotations", {}).get("helm.sh/resource-policy") == "keep"
    }
    expected = {
        "Secret/coterie-app",
        "Secret/coterie-keys",
        "Secret/coterie-redis",
        "ConfigMap/coterie-rollout",
        "ConfigMap/coterie-rollout-commands",
        "ConfigMap/coterie-before",
    }
    assert kept == (expected if keep else set())


def test_labels_and_service_account_annotations_are_everywhere(chart):
    for o in chart.objects(CI["production"]):
        assert o["metadata"]["labels"]["team"] == "recommendations"
        if o["kind"] == "ServiceAccount":
            assert "eks.amazonaws.com/role-arn" in o["metadata"]["annotations"]


def test_two_installs_do_not_meet(chart):
    """In one namespace, under two names."""
    first, second = (
        set(named(chart.objects(CI["gpu"], "--set", f"nameOverride={name}"))) for name in ("a", "b")
    )
    assert not first & second


@pytest.mark.parametrize("endpoint", ["http://minio.storage:9000", "https://s3.example.com", ""])
def test_policies_let_through_the_object_stores_port(chart, endpoint):
    objects = chart.objects(CI["minimal"], "--set", f"s3.endpoint={endpoint}")
    port = {"http://minio.storage:9000": 9000}.get(endpoint, 443)
    rules = one(objects, "NetworkPolicy", "coterie-jobs")["spec"]["egress"]
    assert port in [p["port"] for rule in rules for p in rule["ports"]]


def notes_of(chart, values, *options):
    command = ("install", "coterie", str(FOLDER), "--namespace", "shop", "--dry-run=client")
    return chart.run(*command, "--values", str(CI[values]), *options).partition("NOTES:")[2]


@pytest.mark.parametrize(
    ("interval", "warned"),
    [("5s", False), ("30s", False), ("31s", True), ("1m", True), ("30000ms", False)],
)
def test_the_notes_warn_where_scrapes_are_too_far_apart_for_rollouts(chart, interval, warned):
    said = notes_of(chart, "gpu", "--set", f"monitoring.interval={interval}")
    assert ("too sparse to decide by" in said) is warned
    off = ("--set", f"monitoring.interval={interval},rollouts.enabled=false")
    assert "too sparse" not in notes_of(chart, "gpu", *off)


@pytest.mark.parametrize(
    ("options", "warned"),
    [
        ({}, ""),
        ({"serving.workers.resources.limits.cpu": "4"}, "1 of 2 workers can hold"),
        ({"serving.workers.resources.limits.cpu": "3500m"}, "1 of 2 workers can hold"),
        ({"serving.workers.resources.limits.cpu": "4", "serving.api.minReplicas": 4}, ""),
        ({"serving.workers.min": 4}, "2 of 4 workers can hold"),
        ({"serving.workers.min": 4, "serving.workers.maxUnavailable": 3}, ""),
        ({"serving.workers.min": 1, "serving.workers.resources.limits.cpu": "4"}, ""),
    ],
)
def test_the_notes_warn_where_a_drain_might_never_end(chart, options, warned):
    """A worker without a replica is never ready, so a budget counts those with one alone."""
    said = notes_of(chart, "gpu", *on(**options))
    assert warned in said
    assert bool(warned) == ("for ever" in said)


def test_the_notes_and_the_controller_agree_on_what_is_too_sparse():
    """A scrape comes a little later than its interval says."""
    metrics = pytest.importorskip("coterie.rollout.metrics")
    assert 30 < metrics.SPARSE_S < 60


def test_the_notes_say_how_to_wait_for_jobs(chart):
    said = notes_of(chart, "gpu")
    (command,) = [line.strip() for line in said.splitlines() if "wait job" in line]
    wanted = dict(pair.split("=") for pair in command.partition("-l ")[2].split()[0].split(","))
    objects = chart.objects(CI["gpu"])
    found = [o for o in objects if o["kind"] == "Job" and wanted.items() <= labels_of(o).items()]
    assert named(found) == ["Job/coterie-features-apply", "Job/coterie-pipelines-upload"]
    neither = ("--set", "features.apply=false,pipelines.upload=false")
    assert "wait job" not in notes_of(chart, "gpu", *neither)


def labels_of(o):
    return o["metadata"]["labels"]


def test_the_notes_say_what_comes_next(chart):
    def notes(values):
        return notes_of(chart, values)

    assert "Nothing is served yet" in notes("minimal")
    assert "--set release.folder=s3://coterie/releases/VERSION" in notes("minimal")
    assert "helm test coterie -n shop" in notes("gpu")
    assert "https://recommendations.example.com" in notes("production")
