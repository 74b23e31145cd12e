"""A language model for serving: its address in the settings, its key from the operator's secret."""

import json

import pytest
from chart import CI, ChartError, named, one, pods, variables

ADDRESS = "http://vllm.models.svc:8000/v1"
SET = (
    *("--set", f"serving.llm.address={ADDRESS}"),
    *("--set", "serving.llm.model=qwen"),
    *("--set", "secrets.existingLlmKey=ours"),
)
NAME = "COTERIE_LLM_KEY"


@pytest.fixture(scope="module")
def told(chart):
    return chart.objects(CI["gpu"], *SET)


def test_replicas_are_told_where_it_is_and_who_may_ask(told):
    data = one(told, "ConfigMap", "coterie-settings")["data"]
    assert (data["COTERIE_LLM"], data["COTERIE_LLM_MODEL"]) == (ADDRESS, "qwen")
    assert data["COTERIE_LLM_TOKENS_PER_HOUR"] == "1000000"
    found = {
        container["name"]: entry
        for pod in pods(told)
        for container in pod.containers
        for entry in container.get("env", ())
        if entry["name"] == NAME
    }
    assert set(found) == {"ray-head", "ray-worker"}
    for entry in found.values():
        assert entry["valueFrom"]["secretKeyRef"] == {"name": "ours", "key": NAME}
    assert "Secret/ours" not in named(told)


def pipeline_defaults(objects):
    upload = [
        container
        for pod in pods(objects)
        if pod.owner == "Job/coterie-pipelines-upload"
        for container in pod.containers
    ]
    return json.loads(variables(upload[0], objects)["PIPELINE_DEFAULTS"])


def test_the_content_step_is_told_which_secret_holds_the_key(told, chart):
    assert pipeline_defaults(told)["llm_secret"] == "ours"
    assert "llm_secret" not in pipeline_defaults(chart.objects(CI["gpu"]))


def test_the_kubelet_alone_reads_the_secret(told):
    roles = [one for one in told if one["kind"] in ("Role", "ClusterRole")]
    named = [
        rule
        for role in roles
        for rule in role["rules"]
        if "secrets" in rule["resources"] and "ours" in rule.get("resourceNames", ["ours"])
    ]
    assert roles
    assert named == []


def test_replicas_may_reach_its_port_and_do_not_where_there_is_none(told, chart):
    def ports(objects):
        policy = one(objects, "NetworkPolicy", "coterie-ray")
        return {port["port"] for rule in policy["spec"]["egress"] for port in rule.get("ports", ())}

    assert ports(told) - ports(chart.objects(CI["gpu"])) == {8000}


@pytest.mark.parametrize(
    "address", ["vllm:8000", "http://user:word@vllm/v1", "http://vllm/v1?key=word", "s3://models"]
)
def test_an_address_holds_no_secret(chart, address):
    with pytest.raises(ChartError, match="/serving/llm/address"):
        chart.objects(CI["gpu"], "--set", f"serving.llm.address={address}")
