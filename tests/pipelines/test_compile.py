import json
import subprocess
import sys

import pytest
import yaml

from components._base import IMAGE
from coterie.data.circle import VARIABLES
from pipelines.compile import PIPELINES, compile_pipelines

STEPS = {
    "train": {
        "ingest",
        "features",
        "content",
        "network",
        "behaviour",
        "train",
        "evaluate",
        "release",
        "rollout",
    },
    "refresh": {
        "ingest",
        "features",
        "content",
        "network",
        "behaviour",
        "train",
        "evaluate",
        "release",
        "rollout",
    },
    "backtest": {"ingest", "content", "backtest"},
    "rollback": {"rollback"},
    "lists": {"recommend"},
}
MANDATORY = {name: ["source"] for name in STEPS} | {"rollback": ["reason"], "lists": []}
ALL = sorted(STEPS)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    paths = compile_pipelines(str(tmp_path_factory.mktemp("compiled")))
    return {path.stem: path for path in paths}


@pytest.fixture(scope="module")
def specs(compiled):
    """The pipeline, and what it asks of Kubernetes."""
    return {name: list(yaml.safe_load_all(path.read_text())) for name, path in compiled.items()}


@pytest.fixture
def spec(specs):
    return specs["train"][0]


def tasks_of(spec):
    """By name, those within a condition as well."""
    dags = [spec["root"]["dag"], *(c["dag"] for c in spec["components"].values() if "dag" in c)]
    return {name: task for dag in dags for name, task in dag["tasks"].items()}


def kubernetes_of(specs, pipeline):
    executors = specs[pipeline][1]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    return {name.removeprefix("exec-"): one for name, one in executors.items()}


def test_these_are_all_pipelines(compiled):
    assert sorted(compiled) == sorted(PIPELINES) == ALL


@pytest.mark.parametrize("name", ALL)
def test_nothing_is_installed_at_run_time(compiled, name):
    text = compiled[name].read_text()
    assert "pip install" not in text
    assert "pip3" not in text


@pytest.mark.parametrize("name", ALL)
def test_every_step_runs_in_our_image(specs, name):
    executors = specs[name][0]["deploymentSpec"]["executors"]
    assert {one.removeprefix("exec-") for one in executors} == STEPS[name]
    assert {one["container"]["image"] for one in executors.values()} == {IMAGE}


STEP_PODS = {
    "nodeSelector": {"pool": "shop"},
    "tolerations": [{"key": "team", "operator": "Equal", "value": "shop", "effect": "NoSchedule"}],
    "variables": {"HTTPS_PROXY": "http://proxy.example:3128"},
    "trust": "authorities",
}


def test_image_and_place_of_every_step_are_settings(tmp_path):
    program = (
        f"from pipelines.compile import compile_pipelines; compile_pipelines({str(tmp_path)!r})"
    )
    given = {
        "COTERIE_IMAGE": "registry.example/coterie:7",
        "COTERIE_STEP_PODS": json.dumps(STEP_PODS),
    }
    environment = {**given, "PATH": "", **python_path()}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
    for name in ALL:
        spec, platform = yaml.safe_load_all((tmp_path / f"{name}.yaml").read_text())
        pods = platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
        for step, executor in spec["deploymentSpec"]["executors"].items():
            container, pod = executor["container"], pods[step]
            assert container["image"] == "registry.example/coterie:7", step
            assert {"name": "HTTPS_PROXY", "value": "http://proxy.example:3128"} in container["env"]
            assert pod["nodeSelector"]["labels"] == STEP_PODS["nodeSelector"], step
            assert pod["tolerations"] == STEP_PODS["tolerations"], step
            (mount,) = pod["configMapAsVolume"]
            assert mount["mountPath"] == "/etc/coterie/trust", step
            assert mount["configMapName"] == "authorities", step


def python_path():
    return {"PYTHONPATH": ":".join(sys.path)}


DEFAULTS = '{"source": "s3://shop/tables", "s3_secret": "minio-user", "workers": 4}'


@pytest.mark.parametrize("defaults", ["{}", DEFAULTS])
def test_the_same_code_compiles_to_the_same_bytes(tmp_path, defaults):
    written = []
    for seed in ("7", "8"):
        out = tmp_path / seed
        arguments = ["--out", str(out), "--defaults", defaults]
        program = f"from pipelines.compile import main; main({arguments!r})"
        environment = {"PYTHONHASHSEED": seed, "PATH": "", **python_path()}
        subprocess.run([sys.executable, "-c", program], env=environment, check=True)
        written.append({path.name: path.read_bytes() for path in out.iterdir()})
    assert sorted(written[0]) == [f"{name}.yaml" for name in ALL]
    assert written[0] == written[1]


@pytest.mark.parametrize("name", ALL)
def test_every_parameter_is_described_and_few_have_no_default(specs, name):
    parameters = specs[name][0]["root"]["inputDefinitions"]["parameters"]
    assert set(parameters) == set(PIPELINES[name].component_spec.inputs)
    assert [one for one, how in parameters.items() if not how.get("description")] == []
    assert [one for one, how in parameters.items() if not how.get("isOptional")] == MANDATORY[name]


def test_an_installs_names_become_defaults(tmp_path, compiled):
    given = {"source": "s3://shop/tables", "s3_secret": "minio-user", "workers": 4}
    for path in compile_pipelines(str(tmp_path), given):
        inputs = next(yaml.safe_load_all(path.read_text()))["root"]["inputDefinitions"]
        for name in given.keys() & inputs["parameters"].keys():
            assert inputs["parameters"][name]["defaultValue"] == given[name]
    for path in compile_pipelines(str(tmp_path)):
        assert path.read_bytes() == compiled[path.stem].read_bytes(), "they stay with the install"


def test_the_ui_gets_tables_of_metrics_and_the_reports(specs):
    kinds = {
        (name.removeprefix("comp-"), artifact, one["artifactType"]["schemaTitle"])
        for spec, _ in specs.values()
        for name, component in spec["components"].items()
        for artifact, one in component.get("outputDefinitions", {}).get("artifacts", {}).items()
    }
    assert ("train", "validation", "system.Metrics") in kinds
    assert ("evaluate", "test", "system.Metrics") in kinds
    assert ("evaluate", "report", "system.HTML") in kinds
    assert ("backtest", "report", "system.HTML") in kinds
    assert ("backtest", "over_weeks", "system.Metrics") in kinds


@pytest.mark.parametrize("name", ["train", "refresh"])
def test_steps_run_in_their_order(specs, name):
    tasks = specs[name][0]["root"]["dag"]["tasks"]
    needs = {name: set(task.get("dependentTasks", ())) for name, task in tasks.items()}
    assert needs == {
        "ingest": set(),
        "features": {"ingest"},
        "content": {"ingest", "features"},
        "network": {"ingest", "content"},
        "behaviour": {"ingest", "network"},
        "train": {"ingest", "features", "content", "behaviour"},
        "evaluate": {"ingest", "content", "train"},
        "release": {"ingest", "content", "train", "evaluate"},
        "condition-1": {"ingest", "release"},
    }


@pytest.mark.parametrize(
    ("name", "readers"),
    [
        ("train", {"train", "evaluate", "release"}),
        ("refresh", {"train", "evaluate", "release"}),
        ("backtest", {"backtest"}),
    ],
)
def test_vectors_reach_all_that_trains_measures_and_releases(specs, name, readers):
    """As an artifact: another one is no hit in Kubeflow's cache."""
    tasks = specs[name][0]["root"]["dag"]["tasks"]
    took = {
        step: task["inputs"].get("artifacts", {}).get("vectors", {}).get("taskOutputArtifact")
        for step, task in tasks.items()
    }
    expected = {"outputArtifactKey": "vectors", "producerTask": "content"}
    assert {step for step, one in took.items() if one} == readers
    assert all(one == expected for one in took.values() if one)


def test_a_rollout_begins_only_where_it_is_asked_for(spec):
    task = spec["root"]["dag"]["tasks"]["condition-1"]
    assert "roll_out'] == true" in task["triggerPolicy"]["condition"]
    assert spec["root"]["inputDefinitions"]["parameters"]["roll_out"]["defaultValue"] is False


@pytest.mark.parametrize("name", ALL)
def test_steps_whose_inputs_do_not_decide_their_outputs_are_always_run(specs, name):
    kept = {
        step
        for step, task in tasks_of(specs[name][0]).items()
        if task.get("cachingOptions", {}).get("enableCache")
    }
    # Handing features over changes what serving reads.
    assert kept == STEPS[name] & {"train", "evaluate", "backtest"}


@pytest.mark.parametrize("name", ALL)
def test_every_step_says_how_much_it_needs(specs, name):
    for step, one in specs[name][0]["deploymentSpec"]["executors"].items():
        asked = one["container"]["resources"]
        if step in ("exec-rollout", "exec-rollback"):
            assert asked["cpuLimit"] == asked["cpuRequest"] == 0.5
            continue
        for what in ("Cpu", "Memory"):
            parameter = f"pipelinechannel--{what.lower()}"
            assert parameter in asked[f"resource{what}Request"], step
            assert parameter in asked[f"resource{what}Limit"], step


def secrets_of(asked):
    """Variable to the parameter that names its secret."""
    return {
        one["envVar"]: secret["secretNameParameter"]["componentInputParameter"].split("--")[-1]
        for secret in asked.get("secretAsEnv", ())
        for one in secret["keyToEnv"]
    }


@pytest.mark.parametrize("name", ALL)
def test_secrets_come_by_name_and_to_those_that_need_them(specs, name):
    keys = {"AWS_ACCESS_KEY_ID": "s3_secret", "AWS_SECRET_ACCESS_KEY": "s3_secret"}
    token = {"COTERIE_ADMIN_TOKEN": "app_secret"}
    content = {"COTERIE_CONTENT_KEY": "content_secret", "COTERIE_LLM_KEY": "llm_secret"}
    people = {"COTERIE_PSEUDONYM_KEY": "pseudonym_secret"}
    redis = dict.fromkeys(("COTERIE_EVENT_LOG_PASSWORD", "FEAST_REDIS_PASSWORD"), "redis_secret")
    for step, asked in kubernetes_of(specs, name).items():
        expected = {} if step == "rollback" else keys
        expected = expected | (token if step in ("rollout", "rollback") else {})
        expected = expected | (content if step == "content" else {})
        expected = expected | (people if step == "ingest" else {})
        hands_over = step in ("features", "content", "network", "behaviour") and name != "backtest"
        expected = expected | (redis if hands_over else {})
        assert secrets_of(asked) == expected, step
        assert all(secret["optional"] for secret in asked["secretAsEnv"])


def test_the_step_that_trains_knows_its_pod_and_the_cluster(specs):
    asked = kubernetes_of(specs, "train")
    pods = {step for step, one in asked.items() if "fieldPathAsEnv" in one}
    assert pods == {"train"}
    assert {one["name"]: one["fieldPath"] for one in asked["train"]["fieldPathAsEnv"]} == {
        "COTERIE_POD_NAME": "metadata.name",
        "COTERIE_POD_UID": "metadata.uid",
        "COTERIE_POD_NAMESPACE": "metadata.namespace",
    }
    maps = [one["keyToEnv"] for one in asked["train"]["configMapAsEnv"]]
    assert [{"configMapKey": "training.json", "envVar": "COTERIE_TRAINING"}] in maps


@pytest.mark.parametrize(
    ("name", "step"),
    [("train", "train"), ("refresh", "train"), ("backtest", "backtest"), ("lists", "recommend")],
)
def test_the_step_that_measures_knows_on_whom_served_lists_draw(specs, name, step):
    told = [
        (one["configMapKey"], one["envVar"])
        for source in kubernetes_of(specs, name)[step]["configMapAsEnv"]
        for one in source["keyToEnv"]
    ]
    assert {(variable, variable) for variable in VARIABLES} <= set(told)


@pytest.mark.parametrize("name", ["train", "refresh"])
def test_the_step_that_hands_features_over_knows_where_to(specs, name):
    asked = kubernetes_of(specs, name)
    told = {
        (one["configMapKey"], one["envVar"])
        for source in asked["features"]["configMapAsEnv"]
        for one in source["keyToEnv"]
    }
    store = {("feature_store.yaml", "COTERIE_FEATURE_STORE"), ("event_log", "COTERIE_EVENT_LOG")}
    assert store <= told
    inputs = specs[name][0]["root"]["dag"]["tasks"]["features"]["inputs"]["parameters"]
    assert inputs["offline"] == {"componentInputParameter": "offline"}
    assert inputs["read_ms"]["taskOutputParameter"]["outputParameterKey"] == "read_ms"


@pytest.mark.parametrize("name", ALL)
def test_parameters_that_name_secrets_reach_the_steps(specs, name):
    """A name that is asked for within a condition has to be handed into it."""
    spec = specs[name][0]
    inputs = set(spec["root"]["inputDefinitions"]["parameters"])
    for component in spec["components"].values():
        if "dag" in component:
            inputs |= set(component["inputDefinitions"]["parameters"])
    for asked in kubernetes_of(specs, name).values():
        for secret in asked["secretAsEnv"]:
            assert secret["secretNameParameter"]["componentInputParameter"] in inputs
