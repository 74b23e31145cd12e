"""Who may reach whom: what is needed goes through, nothing else does."""

import pytest
from chart import CI, ChartError, one, pods
from network import End, may, ours

NEEDED = [
    ("worker", "head", 6379),
    ("head", "worker", 10002),
    ("worker", "worker", 30000),
    ("worker", "redis", 6379),
    ("head", "redis", 6379),
    ("consumer", "redis", 6379),
    ("jobs", "redis", 6379),
    ("step", "redis", 6379),
    ("worker", "outside", 9000),
    ("head", "outside", 9000),
    ("controller", "outside", 9000),
    ("consumer", "outside", 9000),
    ("jobs", "outside", 9000),
    ("head", "outside", 443),
    ("controller", "outside", 443),
    ("worker", "outside", 443),
    ("controller", "prometheus", 9090),
    ("controller", "worker", 8000),
    ("test", "worker", 8000),
    ("shop", "worker", 8000),
    ("gateway", "worker", 8000),
    ("operator", "head", 8265),
    ("prometheus", "worker", 8080),
    ("prometheus", "worker", 9464),
    ("prometheus", "head", 8080),
    ("prometheus", "controller", 8081),
    ("prometheus", "consumer", 8082),
    ("jobs", "kubeflow", 8888),
    ("step", "worker", 8000),
    ("removal", "outside", 443),
    ("training", "training", 6379),
    ("training", "training", 8265),
    ("training", "outside", 9000),
    ("operator", "training", 8265),
]
REFUSED = [
    ("shop", "redis", 6379),
    ("neighbour", "redis", 6379),
    ("neighbour", "head", 6379),
    ("shop", "head", 8265),
    ("shop", "head", 10001),
    ("shop", "worker", 8080),
    ("shop", "worker", 9464),
    ("shop", "controller", 8081),
    ("neighbour", "controller", 8081),
    ("operator", "worker", 8265),
    ("redis", "outside", 443),
    ("redis", "head", 6379),
    ("jobs", "outside", 443),
    ("worker", "kubeflow", 8888),
    ("worker", "outside", 25),
    ("removal", "redis", 6379),
    ("removal", "worker", 8000),
    ("test", "redis", 6379),
    ("test", "outside", 443),
    ("jobs", "worker", 8000),
    ("prometheus", "redis", 6379),
    ("neighbour", "consumer", 8082),
    ("worker", "consumer", 8082),
    ("consumer", "worker", 8000),
    ("consumer", "outside", 443),
    ("training", "redis", 6379),
    ("training", "worker", 8000),
    ("training", "head", 6379),
    ("training", "outside", 443),
    ("step", "training", 8265),
    ("worker", "training", 8265),
    ("operator", "training", 6379),
]


@pytest.mark.parametrize(("source", "target", "port"), NEEDED)
def test_what_is_needed_goes_through(chart, source, target, port):
    objects = chart.objects(CI["gpu"])
    ends = ours(objects)
    assert may(objects, ends[source], ends[target], port)


@pytest.mark.parametrize(("source", "target", "port"), REFUSED)
def test_what_nobody_needs_does_not(chart, source, target, port):
    objects = chart.objects(CI["gpu"])
    ends = ours(objects)
    assert not may(objects, ends[source], ends[target], port)


def test_every_pod_is_under_the_policies_and_may_ask_for_names(example):
    ends = ours(example)
    for pod in pods(example):
        own = End(pod.component, dict(pod.labels))
        assert may(example, own, ends["names"], 53, "UDP"), pod.owner
        assert not may(example, own, ends["internet"], 8443), pod.owner
        assert not may(example, ends["neighbour"], own, 12345), pod.owner


NODES_OWN = End("NodeLocal DNSCache", address="169.254.20.10")


def test_names_may_be_asked_of_a_cache_on_the_node(example):
    for pod in pods(example):
        own = End(pod.component, dict(pod.labels))
        assert may(example, own, NODES_OWN, 53, "UDP"), pod.owner
        assert not may(example, own, NODES_OWN, 80), pod.owner


@pytest.mark.parametrize(
    ("answers", "dns", "port"),
    [
        (End("dns", namespace="openshift-dns"), "dns[0].namespaceSelector.matchLabels.a=b", 5353),
        (End("a node", address="10.9.0.4"), "dns[0].ipBlock.cidr=10.9.0.0/16", 53),
    ],
    ids=["another namespace and port", "the network of nodes"],
)
def test_names_may_be_answered_elsewhere(chart, answers, dns, port):
    """In another namespace, with other ports behind the Service, or on the nodes' own network."""
    peer = dns.replace("matchLabels.a=b", NAMESPACE_LABEL + answers.namespace)
    options = ("--set", f"networkPolicy.{peer},networkPolicy.dnsPorts[0]={port}")
    objects = chart.objects(CI["gpu"], *options)
    ends = ours(objects)
    for name in ("worker", "jobs", "removal", "test"):
        assert not may(chart.objects(CI["gpu"]), ends[name], answers, port, "UDP")
        assert may(objects, ends[name], answers, port, "UDP")
        assert may(objects, ends[name], answers, port, "TCP")
        assert not may(objects, ends[name], ends["names"], 53, "UDP")


NAMESPACE_LABEL = r"matchLabels.kubernetes\.io/metadata\.name="


def test_somebody_has_to_answer_for_names(chart):
    """An empty list of peers would let everybody through."""
    with pytest.raises(ChartError, match="/networkPolicy/dns"):
        chart.text(CI["gpu"], "--set-json", "networkPolicy.dns=[]")


@pytest.mark.parametrize("value", ["dns", "dnsPorts", "apiServerPorts"])
def test_a_value_that_is_missing_opens_nothing(chart, value):
    """As after ``--reuse-values`` from a version of the chart that did not have it."""
    with pytest.raises(ChartError, match=f"networkPolicy.{value} is empty.*reset-then-reuse"):
        chart.text(CI["gpu"], "--set", f"networkPolicy.{value}=null")


def test_callers_can_be_narrowed_down(chart):
    objects = chart.objects(CI["production"])
    ends = ours(objects)
    assert may(objects, ends["gateway"], ends["worker"], 8000)
    assert not may(objects, ends["shop"], ends["worker"], 8000)
    step = End("step", ends["step"].labels, "recommendations")
    assert may(objects, step, ends["worker"], 8000)
    assert not may(objects, ends["worker"], ends["internet"], 443)
    assert may(objects, ends["worker"], ends["outside"], 6380), "Redis outside, on its own port"


def test_traces_get_to_where_they_are_sent(chart):
    objects = chart.objects(CI["gpu"], "--set", "serving.traces=http://otel.monitoring:4318/v1")
    ends = ours(objects)
    assert may(objects, ends["worker"], ends["prometheus"], 4318)
    assert not may(chart.objects(CI["gpu"]), ends["worker"], ends["prometheus"], 4318)


def test_queries_get_to_the_api_that_encodes_them(chart):
    given = "serving.textEncoder=https://embeddings.example:8443/v1"
    objects = chart.objects(CI["production"], "--set", given)
    ends = ours(objects)
    assert may(objects, ends["worker"], ends["outside"], 8443)
    data = one(objects, "ConfigMap", "coterie-settings")["data"]
    assert data["COTERIE_TEXT_ENCODER"] == given.partition("=")[2]
    folder = chart.objects(CI["production"], "--set", "serving.textEncoder=s3://models/e5")
    assert not may(folder, ends["worker"], ends["outside"], 8443)


def test_policies_can_be_left_out(chart):
    objects = chart.objects(CI["gpu"], "--set", "networkPolicy.enabled=false")
    assert "NetworkPolicy" not in {o["kind"] for o in objects}
