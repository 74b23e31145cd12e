import shlex
import subprocess
import sys

import pytest

from coterie.cli.main import main
from coterie.cli.parser import DATASETS, MODELS, make_parser
from coterie.data import public
from coterie.models import MODELS as CLASSES

COMMANDS = (
    "simulate",
    "inspect",
    "ingest",
    "forget",
    "content",
    "network",
    "tune",
    "train",
    "evaluate",
    "recommend",
    "serve",
    "report",
    "release",
    "rollout",
    "keys",
)


def test_help_waits_for_nothing_heavy():
    script = (
        "import sys\n"
        "from coterie.cli import main\n"
        "try: main(['train', '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'ray', 'daft', 'pyarrow', 'numpy', 'rich'} & set(sys.modules)\n"
        "sys.exit(f'{heavy} were imported' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "coterie train var/shop/clean" in done.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_the_example_in_the_help_of_a_command_can_be_typed(command, capsys):
    parser = make_parser()
    with pytest.raises(SystemExit) as end:
        parser.parse_args([command, "--help"])
    assert end.value.code == 0
    told = capsys.readouterr().out
    examples = [line.strip() for line in told.split("example:")[1].splitlines() if line.strip()]
    assert examples
    for example in examples:
        program, *arguments = shlex.split(example)
        assert program == "coterie"
        assert parser.parse_args(arguments).command == command


def test_help_lists_the_models_and_data_sets_that_exist():
    assert sorted(MODELS) == sorted(CLASSES)
    assert sorted(DATASETS) == sorted(public.READERS)


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "teleport",
        "simulate",
        "simulate --out x --users 0",
        "simulate --out x --users many",
        "ingest x --out y --max-bad-share 2",
        "ingest x --out y --dataset netflix",
        "train x --out y --model gpt",
        "train x --out y --workers -1",
        "content x --out y --audio folder",
        "tune x --out y --trials 0",
        "tune x --out y --minutes 0",
        "tune x --out y --minutes nan",
        "tune x --out y --seed -1",
        "recommend --release x --data y",
        "recommend u --release x --data y -k 0",
        "recommend u --all --release x --data y --out z",
        "recommend --all --release x --out z",
        "recommend --all --release x --data y --features w --out z",
    ],
)
def test_what_cannot_be_understood_ends_with_one_line_and_code_2(typed, capsys):
    with pytest.raises(SystemExit) as end:
        make_parser().parse_args(typed.split())
    assert end.value.code == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.splitlines()) == 1
    assert told.err.startswith("coterie: ")
    assert "--help" in told.err


@pytest.mark.parametrize("command", ["train x --out y", "rollout start v8 --reason z"])
def test_an_option_that_there_is_none_of_points_to_the_commands_own_help(command, capsys):
    with pytest.raises(SystemExit) as end:
        main([*command.split(), "--colour", "red"])
    assert end.value.code == 2
    name = "train" if command.startswith("train") else "rollout start"
    said = f"coterie: there is no --colour red here; see coterie {name} --help\n"
    assert capsys.readouterr().err == said


def test_the_library_runs_as_a_module_too():
    command = [sys.executable, "-m", "coterie", "--version"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout[:8]) == (0, "coterie "), done.stderr
