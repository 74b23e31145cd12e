"""Steps as forks: to whoever runs a pipeline they are processes as KFP starts them."""

import json
import subprocess
import sys
import textwrap

import pytest

from pipelines.forked_steps import forked_steps, needed_modules

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux")
PIPELINE = """
import json, os, signal, sys, warnings
from kfp import dsl, local
from pipelines.forked_steps import forked_steps

@dsl.component(base_image="python", install_kfp_package=False)
def step(kind: str) -> str:
    import colorsys  # what the first step imports is there for the second
    import gc
    import json
    import os
    import signal
    import sys

    import numpy.random

    if kind == "fails":
        raise ValueError("as it was told")
    if kind == "exits":
        sys.exit(3)
    if kind == "is killed":
        os.kill(os.getpid(), signal.SIGKILL)
    print(f"{kind} speaks")
    print("and complains", file=sys.stderr)
    handlers = [signal.getsignal(one) == signal.SIG_DFL for one in (signal.SIGTERM, signal.SIGHUP)]
    os.environ["OF_A_STEP"] = "left behind"
    told = {"parent": os.getppid(), "handlers": handlers, "drawn": float(numpy.random.random())}
    told["frozen"] = gc.get_freeze_count()
    return json.dumps(told)

def never(*given):
    sys.exit("a handler of the pipeline's ran")

for one in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(one, never)
local.init(local.SubprocessRunner(use_venv=False), pipeline_root=sys.argv[1], raise_on_error=False)
warnings.simplefilter("ignore")
assert "colorsys" not in sys.modules
with forked_steps():
    for kind in sys.argv[2:]:
        task = step(kind=kind)
        told = json.loads(task.output) if task.outputs else None
        here = told and told.pop("parent") == os.getpid()
        print("TOLD", json.dumps([kind, here, told]))
print("LEFT", "OF_A_STEP" in os.environ, "colorsys" in sys.modules)
"""


def run(folder, *kinds):
    program = folder / "program.py"  # KFP reads the code of steps in their file
    program.write_text(PIPELINE)
    done = subprocess.run(
        [sys.executable, str(program), str(folder / "run"), *kinds],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def told(said):
    return [json.loads(line[5:]) for line in said.splitlines() if line.startswith("TOLD")]


def test_a_step_is_a_child_that_prints_returns_and_leaves_nothing_behind(tmp_path):
    said = run(tmp_path, "the first", "the second")
    (first, here, one), (second, there, other) = told(said)
    assert (first, second) == ("the first", "the second")
    assert here
    assert there
    assert one["handlers"] == other["handlers"] == [True, True]
    assert one["drawn"] != other["drawn"], "they draw the same"
    assert one["frozen"] > 1_000, "steps look for garbage in what was imported for them"
    assert "the first speaks\n" in said
    assert "and complains\n" in said
    assert "LEFT False True" in said


def test_a_step_that_ends_badly_has_failed_and_says_why(tmp_path):
    said = run(tmp_path, "fails", "exits", "is killed", "the last")
    assert [one[0] for one in told(said) if one[2] is None] == ["fails", "exits", "is killed"]
    assert said.count("FAILURE") == 3
    assert said.count("SUCCESS") == 1
    assert "ValueError: as it was told\n" in said
    assert told(said)[-1][1], "the next one runs"


def test_what_a_step_may_need_is_not_what_it_needs():
    code = """
        from elsewhere import something

        def step(a: int):
            import json
            from coterie.errors import BadInputError

            if a:
                import ray
        """
    assert needed_modules(textwrap.dedent(code)) == ["json", "coterie.errors"]


def test_kfp_starts_steps_again_afterwards():
    from kfp.local import subprocess_task_handler

    before = subprocess_task_handler.run_local_subprocess
    with forked_steps():
        assert subprocess_task_handler.run_local_subprocess is not before
    assert subprocess_task_handler.run_local_subprocess is before
