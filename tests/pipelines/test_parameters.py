"""What Kubeflow, the command line and the docs say of parameters is what one list says."""

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from tiny_shop import write_clean

from components.backtest import backtest
from components.ingest import ingest
from components.train import train
from coterie.content.vectors import ItemVectors
from coterie.errors import BadInputError
from pipelines import demo, local
from pipelines.compile import PIPELINES, compile_pipelines
from pipelines.parameters import REQUIRED, Parameters, describe_parameters, write_table

KUBEFLOW_TYPES = {str: "STRING", int: "NUMBER_INTEGER", float: "NUMBER_DOUBLE", bool: "BOOLEAN"}
ALL = list(PIPELINES)


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    """The part of each compiled pipeline that says what it is given and what its steps get."""
    paths = compile_pipelines(str(tmp_path_factory.mktemp("compiled")))
    return {path.stem: next(yaml.safe_load_all(path.read_text()))["root"] for path in paths}


@pytest.mark.parametrize("name", ALL)
def test_kubeflow_is_told_what_the_list_says(roots, name):
    told = {
        one.name: {
            "description": one.about,
            "parameterType": KUBEFLOW_TYPES[one.type],
            **(
                {}
                if one.defaults[name] is REQUIRED
                else {"defaultValue": one.defaults[name], "isOptional": True}
            ),
        }
        for one in describe_parameters()
        if name in one.defaults
    }
    assert roots[name]["inputDefinitions"]["parameters"] == told
    assert len(told) > 3


def test_every_parameter_belongs_to_pipelines_that_there_are():
    for one in describe_parameters():
        assert one.defaults, one.name
        assert set(one.defaults) <= set(ALL), one.name


@pytest.mark.parametrize(
    ("name", "parameter", "value"), [("train", "start", ""), ("refresh", "model", "social")]
)
def test_steps_get_the_default_of_what_their_pipeline_is_not_asked(roots, name, parameter, value):
    given = roots[name]["dag"]["tasks"]["train"]["inputs"]["parameters"]
    assert given[parameter] == {"runtimeValue": {"constant": value}}
    assert parameter not in roots[name]["inputDefinitions"]["parameters"]
    assert getattr(Parameters(), parameter) == value


@pytest.mark.parametrize("name", ALL)
def test_each_parameter_reaches_a_step_and_under_its_own_name(roots, name):
    """A mix-up of two texts would run, and do something else."""
    other = {"store": "release_store", "models": "baselines"} if name != "backtest" else {}
    reached = set()
    for step, task in roots[name]["dag"]["tasks"].items():
        for one, how in task["inputs"].get("parameters", {}).items():
            if asked := how.get("componentInputParameter"):
                own = one.removeprefix("pipelinechannel--")
                assert asked == other.get(own, own), (step, one)
                reached.add(asked)
    left = set(roots[name]["inputDefinitions"]["parameters"]) - reached
    # Names of secrets go to Kubernetes instead: see test_compile.
    assert {one for one in left if not one.endswith(("_secret", "_config"))} == set()


@pytest.mark.parametrize(
    ("main", "pipelines"), [(local.main, ALL), (demo.main, ["train"])], ids=["local", "demo"]
)
def test_help_describes_them(main, pipelines, capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    said = " ".join(capsys.readouterr().out.split())
    for one in describe_parameters():
        if set(pipelines) & set(one.defaults):
            assert one.about in said
    for pipeline in pipelines:
        assert f"parameters of {pipeline}:" in said


def test_the_table_has_a_row_for_each():
    rows = write_table().splitlines()[2:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    assert {len(row) for row in cells} == {5}
    assert [row[0].strip("`") for row in cells] == [one.name for one in describe_parameters()]
    named = {row[0].strip("`"): row for row in cells}
    assert named["wait_s"][1:4] == ["int", "`0`; `900` in rollback", "train, refresh, rollback"]
    assert named["source"][2] == "needed"
    refreshed = named["settings"][2].partition("; ")[2].removesuffix(" in refresh").strip("`")
    assert json.loads(refreshed) == {"loop.max_epochs": 20, "loop.lr": 0.002}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ('{"image": {"place": "https://api.example/v1"}}', "addresses encode texts alone"),
        ('{"texts": {"place": "default"}}', "has no field 'place'"),
        ("none.json", "is no file"),
    ],
)
def test_content_that_its_step_could_not_take_is_told_before_tables_are_read(
    tmp_path, content, why
):
    clean = SimpleNamespace(path=str(tmp_path / "clean"))
    texts = dict.fromkeys(("dataset", "mapping", "pipeline", "version", "status"), "")
    with pytest.raises(BadInputError, match=why):
        ingest.python_func(
            clean,
            "no such shop",
            content=content,
            max_bad_share=0.1,
            keep_days=0.0,
            runner="native",
            pseudonyms=False,
            **texts,
        )


def test_a_run_that_is_to_keep_pseudonyms_reads_nothing_without_their_key(tmp_path, monkeypatch):
    for name in ("COTERIE_PSEUDONYM_KEY", "COTERIE_PSEUDONYM_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    clean = SimpleNamespace(path=str(tmp_path / "clean"))
    names = ("dataset", "mapping", "pipeline", "version", "status", "content")
    texts = dict.fromkeys(names, "")
    with pytest.raises(BadInputError, match="is pseudonym_secret the name of a secret"):
        ingest.python_func(
            clean,
            "no such shop",
            max_bad_share=0.1,
            keep_days=0.0,
            runner="native",
            pseudonyms=True,
            **texts,
        )


@pytest.mark.parametrize(
    ("said", "installed", "left"),
    [(-1.0, "10", ["young"]), (-1.0, None, ["old", "young"]), (0.0, "10", ["old", "young"])],
)
def test_the_step_leaves_out_events_by_age_as_said_or_as_the_chart_says(
    tmp_path, monkeypatch, said, installed, left
):
    monkeypatch.delenv("COTERIE_KEEP_DAYS", raising=False)
    if installed:
        monkeypatch.setenv("COTERIE_KEEP_DAYS", installed)
    shop, now = tmp_path / "shop", datetime.now(UTC)
    shop.mkdir()
    (shop / "items.csv").write_text("item_id,title\ni,Pan\n")
    (shop / "ties.csv").write_text("src_user_id,dst_user_id,kind\nana,bea,trust\n")
    rows = [f"{name},ana,i,view,{(now - timedelta(days=n)).isoformat()}" for name, n in AGES]
    (shop / "events.csv").write_text("event_id,user_id,item_id,event,ts\n" + "\n".join(rows))
    texts = dict.fromkeys(("dataset", "mapping", "pipeline", "version", "status", "content"), "")
    clean = SimpleNamespace(path=str(tmp_path / "clean"))
    ingest.python_func(
        clean,
        str(shop),
        max_bad_share=0.0,
        keep_days=said,
        runner="native",
        pseudonyms=False,
        **texts,
    )
    assert pq.read_table(tmp_path / "clean" / "events.parquet")["event_id"].to_pylist() == left


AGES = (("old", 11), ("young", 9))


@pytest.mark.parametrize("encoded", [True, False])
def test_past_weeks_are_foreseen_with_what_the_content_step_left(tmp_path, monkeypatch, encoded):
    class SeenError(Exception):
        """Ends the step once it has handed on what it was given."""

    def hand_on(clean, out, weeks, models, config, progress, content, circle):
        raise SeenError(content)

    monkeypatch.setattr("coterie.workflow.backtest.backtest", hand_on)
    if encoded:
        vectors = np.ones((1, 2), np.float16)
        ItemVectors("text", "toy", "ab" * 32, ("a",), vectors).write(tmp_path)
    folder = SimpleNamespace(path=str(tmp_path))
    with pytest.raises(SeenError) as seen:
        backtest.python_func(folder, folder, folder, folder, folder, 1, "", "{}")
    assert seen.value.args == (str(tmp_path) if encoded else "",)


def test_training_reads_the_impressions_that_it_is_told_of(tmp_path):
    clean = SimpleNamespace(path=str(write_clean(tmp_path)))
    nothing, made = (SimpleNamespace(path=str(tmp_path / name)) for name in ("nothing", "made"))
    names = ("checkpoints", "start", "store", "worker_cpu", "worker_memory", "accelerator")
    texts = dict.fromkeys((*names, "version", "status"), "")
    # The step hands them on: what they say of the model is tested where that learns.
    with pytest.raises(BadInputError, match=r"lacks the columns .* of impressions"):
        train.python_func(
            clean, nothing, nothing, made, None,
            model="social", settings="{}", workers=0, use_gpu=False, ray_address="local",
            repurchase="never", impressions=str(tmp_path / "raw"), accelerators=0, **texts,
        )  # fmt: skip
