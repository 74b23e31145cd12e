"""What clusters of companies ask: their own nodes, authorities, proxies, addresses and names."""

import json
import re
from typing import NamedTuple

import pytest
from chart import CI, SECRETS, ChartError, named, one, parse, pods, ray_job_of, variables
from network import End, may, ours

LONG = "a-release-with-a-very-long-name-of-53-characters-more"
LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
ALONE = {"redis", "llm", "removal", "test"}
"""Components that ask nobody over TLS, but for the Kubernetes API."""
AFFINITY = {
    "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [
                {"matchExpressions": [{"key": "spot", "operator": "DoesNotExist"}]}
            ]
        }
    }
}
TAINT = {"key": "team", "operator": "Equal", "value": "shop", "effect": "NoSchedule"}
PLACED = {
    "nodeSelector": {"kubernetes.io/arch": "amd64"},
    "tolerations": [TAINT],
    "affinity": AFFINITY,
    "priorityClassName": "shop",
}
MODEL = {
    "serving.llm.vllm": {"enabled": True, "claim": "models"},
    "serving.llm.model": "qwen",
}
FILE = "/etc/coterie/trust/bundle.pem"
AGENT = End("agent", address="169.254.170.23")
RULE = {"to": [{"ipBlock": {"cidr": "169.254.170.23/32"}}], "ports": [{"port": 80}]}
COMPANY = {
    "pods": PLACED,
    **MODEL,
    "images.pullSecrets": [{"name": "login"}],
    "networkPolicy.outside": ["10.0.0.0/8", "fd00::/8"],
    "networkPolicy.egress": [RULE],
    "redis": {"enabled": False, "address": "redis.shop.example:6380", "tls": True},
    "serving.traces": "https://otel.example:4318/v1/traces",
    "trust": {"configMap": "authorities", "key": "bundle.pem"},
    "proxy": {"https": "http://proxy.example:3128", "except": [".shop.example", "10.0.0.0/8"]},
    "s3.endpoint": "https://s3.shop.example",
}
PROXY = End("proxy", address="10.1.2.3")


def rendered(chart, values, name="coterie"):
    """The objects of an install, and the RayJob of one of its steps."""
    told = {"release": {"store": "s3://s/r", "folder": "s3://s/r/1", "digest": "a" * 64}, **values}
    # Nine tenths of the text are dashboards.
    told["monitoring.dashboards"] = name == LONG
    options = [part for k, v in told.items() for part in ("--set-json", f"{k}={json.dumps(v)}")]
    command = ("template", name, str(chart.folder), "--namespace", "shop")
    return parse(chart.run(*command, *SECRETS, *options))


@pytest.fixture(scope="module")
def company(chart):
    return rendered(chart, COMPANY)


@pytest.fixture(scope="module")
def plain(chart):
    return rendered(chart, {})


def all_pods(objects):
    return pods([*objects, ray_job_of(objects)])


def test_names_are_those_that_kubernetes_takes(chart):
    for o in rendered(chart, MODEL, LONG):
        found, kind = o["metadata"]["name"], o["kind"]
        assert LABEL.fullmatch(found), named([o])
        # Kubernetes makes names of Jobs of a CronJob's, and a label of pods of a StatefulSet's.
        assert len(found) <= {"CronJob": 52, "StatefulSet": 52, "RayService": 47}.get(kind, 63)
        for value in o["metadata"]["labels"].values():
            assert len(value) <= 63, named([o])


@pytest.mark.parametrize("name", ["7eleven", "my.shop"])
def test_a_name_that_no_service_may_have_is_refused_before_anything_is_made(chart, name):
    with pytest.raises(ChartError, match=f"{name} is no name for a Service.*set nameOverride"):
        rendered(chart, {}, name)


def test_another_name_may_be_given_if_a_service_may_have_it(chart):
    assert one(rendered(chart, {"nameOverride": "shop"}, "my.shop"), "Service", "shop-api")
    with pytest.raises(ChartError, match="My_Shop is no name"):
        rendered(chart, {"nameOverride": "My_Shop"})


def test_every_pod_runs_where_the_cluster_lets_it(company):
    found = all_pods(company)
    assert len(found) >= 12
    for pod in found:
        assert {field: pod.spec.get(field) for field in PLACED} == PLACED, pod.owner


def test_what_a_part_says_of_its_own_counts(chart):
    own = {"nodeSelector": {"pool": "gpu"}, "tolerations": [{"key": "gpu", "operator": "Exists"}]}
    parts = ("serving.head", "serving.workers", "serving.llm.vllm", "redis", "training")
    told = {f"{part}.{field}": value for part in parts for field, value in own.items()}
    told["serving.workers.priorityClassName"] = "first"
    for pod in all_pods(rendered(chart, {"pods": PLACED, **MODEL, **told})):
        trains = pod.labels.get("coterie/part") == "worker"
        at_own = trains or pod.component in {"head", "worker", "llm", "redis"}
        expected = {**PLACED, **(own if at_own else {})}
        expected["priorityClassName"] = "first" if pod.component == "worker" else "shop"
        assert {field: pod.spec.get(field) for field in PLACED} == expected, pod.owner


def test_taints_that_all_pods_bear_are_seen_by_kuberay(chart, plain):
    """It does not look at tolerations, so the pods' annotation has to differ."""
    borne = rendered(chart, {"pods.tolerations": [TAINT]})
    told = [
        {p.component: p.annotations["checksum/settings"] for p in ray_pods(objects)}
        for objects in (plain, borne)
    ]
    assert told[0].keys() == told[1].keys() == {"head", "worker"}
    assert not set(told[0].values()) & set(told[1].values())


def test_whoever_asks_others_believes_the_companys_authorities_and_asks_by_its_proxy(company):
    expected = {
        **dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE"), FILE),
        "HTTPS_PROXY": "http://proxy.example:3128",
        "NO_PROXY": ".shop.example,10.0.0.0/8,.svc,.cluster.local,localhost,127.0.0.1",
    }
    asking = [pod for pod in all_pods(company) if pod.component not in ALONE]
    assert {pod.component for pod in asking} >= {"head", "worker", "jobs", "consumer", "training"}
    for pod in asking:
        volumes = {v["name"]: v for v in pod.spec["volumes"]}
        assert volumes["trust"]["configMap"] == {"name": "authorities"}, pod.owner
        for container in pod.containers:
            assert expected.items() <= variables(container, company).items(), container["name"]
            if container["name"] in {"ray-head", "ray-worker"} and pod.component != "training":
                assert variables(container, company)["RAY_REDIS_CA_CERT"] == FILE
            mounts = {m["name"]: m for m in container["volumeMounts"]}
            assert mounts["trust"]["mountPath"] == "/etc/coterie/trust", container["name"]


def test_steps_of_pipelines_are_told_the_same(company):
    (pod,) = [pod for pod in pods(company) if "pipelines-upload" in pod.owner]
    told = json.loads(variables(pod.containers[0], [])["COTERIE_STEP_PODS"])
    assert told["trust"] == "authorities"
    assert told["variables"]["AWS_CA_BUNDLE"] == FILE
    assert told["variables"]["HTTPS_PROXY"] == "http://proxy.example:3128"
    assert told["nodeSelector"] == PLACED["nodeSelector"]
    assert told["tolerations"] == [TAINT]


def test_steps_pull_their_image_by_their_account(company):
    """Kubeflow makes their pods, and gives them no secret to pull with."""
    account = one(company, "ServiceAccount", "coterie-train")
    assert account["imagePullSecrets"] == [{"name": "login"}]


ASKING = ("head", "worker", "consumer", "controller", "jobs", "training")


@pytest.mark.parametrize("component", ASKING)
def test_policies_let_through_to_the_proxy(company, plain, component):
    for target in (PROXY, End("proxy", namespace="egress")):
        assert may(company, ours(company)[component], target, 3128)
        assert not may(plain, ours(plain)[component], target, 3128)


@pytest.mark.parametrize("component", ASKING)
def test_policies_let_through_what_else_the_cluster_has(company, plain, component):
    assert may(company, ours(company)[component], AGENT, 80)
    assert not may(company, ours(company)[component], AGENT, 81)
    assert not may(plain, ours(plain)[component], AGENT, 80)


@pytest.mark.parametrize(
    "rule", [{"ports": [{"port": 80}]}, {"to": [], "ports": [{"port": 80}]}, {"to": RULE["to"]}]
)
def test_a_rule_that_would_let_out_to_everywhere_is_refused(chart, rule):
    with pytest.raises(ChartError, match="networkPolicy/egress"):
        rendered(chart, {"networkPolicy.egress": [rule]})


def test_both_families_of_addresses_are_let_through(company, plain):
    worker, controller = ours(company)["worker"], ours(company)["controller"]
    for address in ("fd00::7", "10.0.0.7"):
        target = End("store", address=address)
        assert may(company, worker, target, 443), "the object store"
        assert may(company, worker, target, 6380), "Redis"
        assert may(company, worker, target, 4318), "traces"
        assert may(company, controller, target, 6443), "the Kubernetes API"
    assert not may(plain, ours(plain)["worker"], End("store", address="fd00::7"), 443)
    assert not may(company, worker, End("web", address="93.184.216.34"), 443)


def test_what_is_rendered_twice_is_the_same(chart):
    """By tools that render and compare: with a company's own secrets nothing is made up."""
    told = ("template", "coterie", str(chart.folder), *SECRETS, "--values", str(CI["gpu"]))
    more = ("--set", "monitoring.dashboards=false")
    first, second = (chart.run(*told, *more, AGAIN=again) for again in ("1", "2"))
    assert first == second


def ray_pods(objects):
    cluster = one(objects, "RayService", "coterie")["spec"]["rayClusterConfig"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        labels, annotations = (group["template"]["metadata"][k] for k in ("labels", "annotations"))
        yield RayPod(labels["app.kubernetes.io/component"], annotations)


class RayPod(NamedTuple):
    component: str
    annotations: dict[str, str]
