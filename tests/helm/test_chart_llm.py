"""A language model for serving: an address, or vLLM of the chart, and a secret with its key."""

import json

import pytest
from chart import CI, ChartError, named, one, pods, variables
from network import may, ours

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


VLLM = (
    *("--set", "serving.llm.vllm.enabled=true,serving.llm.vllm.claim=models"),
    *("--set", "serving.llm.vllm.folder=qwen,serving.llm.model=qwen"),
    *("--set", "secrets.existingLlmKey=ours"),
)


@pytest.fixture(scope="module")
def own(chart):
    return chart.objects(CI["gpu"], *VLLM)


@pytest.fixture(scope="module")
def llm_pod(own):
    [found] = [pod for pod in pods(own) if pod.component == "llm"]
    return found


def test_a_model_of_the_chart_is_whom_replicas_ask(own, chart):
    data = one(own, "ConfigMap", "coterie-settings")["data"]
    service = one(own, "Service", "coterie-llm")
    where = f"{service['metadata']['name']}.{service['metadata']['namespace']}.svc:8000"
    assert (data["COTERIE_LLM"], data["COTERIE_LLM_MODEL"]) == (f"http://{where}/v1", "qwen")
    kinds = ("Deployment", "Service", "ServiceAccount", "NetworkPolicy")
    new = set(named(own)) - set(named(chart.objects(CI["gpu"])))
    assert new == {f"{kind}/coterie-llm" for kind in kinds}


def test_it_serves_a_folder_and_asks_for_the_key_that_replicas_send(own, llm_pod):
    [container] = llm_pod.containers
    assert container["command"] == ["vllm", "serve"]
    assert container["args"][:3] == ["/models/qwen", "--served-model-name=qwen", "--port=8000"]
    key = json.loads(variables(container, own)["VLLM_API_KEY"])
    assert key == {"secretKeyRef": {"name": "ours", "key": NAME}}
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
    [volume] = [one for one in llm_pod.spec["volumes"] if one["name"] == "models"]
    assert volume["persistentVolumeClaim"] == {"claimName": "models", "readOnly": True}


def test_it_is_as_restricted_as_all_pods(own, llm_pod):
    [container] = llm_pod.containers
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert llm_pod.spec["securityContext"]["runAsNonRoot"]
    assert llm_pod.spec["automountServiceAccountToken"] is False
    service = one(own, "Service", "coterie-llm")
    assert service["spec"]["selector"].items() <= dict(llm_pod.labels).items()


@pytest.mark.parametrize(
    ("source", "target", "port", "through"),
    [
        ("worker", "llm", 8000, True),
        ("step", "llm", 8000, True),
        ("prometheus", "llm", 8000, True),
        ("neighbour", "llm", 8000, False),
        ("shop", "llm", 8000, False),
        ("worker", "neighbour", 8000, False),
        ("llm", "internet", 443, False),
        ("llm", "outside", 443, False),
        ("llm", "redis", 6379, False),
    ],
)
def test_replicas_and_steps_alone_ask_it_and_it_asks_nobody(own, source, target, port, through):
    ends = ours(own)
    assert may(own, ends[source], ends[target], port) is through


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ("serving.llm.address=http://vllm:8000/v1", "two language models"),
        ("serving.llm.model=", "serving.llm.model has to say"),
        ("serving.llm.vllm.claim=", "serving.llm.vllm.claim has to name"),
        ("serving.llm.vllm.folder=../other", "/serving/llm/vllm/folder"),
    ],
)
def test_a_model_of_the_chart_is_named_once_and_whole(chart, changed, said):
    with pytest.raises(ChartError, match=said):
        chart.text(CI["gpu"], *VLLM, "--set", changed)
