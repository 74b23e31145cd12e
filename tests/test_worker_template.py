"""Ray's workers as forks of one process that has imported what they need."""

import json
import os
import subprocess
import sys
import textwrap

import psutil
import pytest
from ray._private.parameter import RayParams
from waiting import wait_until

from coterie.local_ray import node as ray_node
from coterie.local_ray import worker
from coterie.local_ray.node import lean_nodes
from coterie.local_ray.template import FIRST_JOB, JOB, worker_template
from coterie.local_ray.worker import SETUP, SOCKET, WORKER, ask, usual, without_setup

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux")


def run(script):
    """Run a program; what it prints, by line."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.slow
def test_ray_runs_on_forks_and_without_them_where_the_template_is_gone():
    said = run(
        """
        import os, psutil, sys
        from pathlib import Path
        from coterie.local_ray import start_local_ray
        from coterie.local_ray.template import worker_template

        ON_DEMAND = {"prestart_worker_first_driver": False, "enable_worker_prestart": False}
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0f" * 32, "SAID": "to Ray"}
        with worker_template(["no_such_module", "ray", "numpy.random", "colorsys"]) as worker:
            start_local_ray(worker, num_cpus=3, logging_level=40, _system_config=ON_DEMAND)
            import ray

            @ray.remote(num_cpus=0)
            class Worker:
                def tell(self):
                    import numpy, random
                    parent = " ".join(psutil.Process().parent().cmdline())
                    drawn = (numpy.random.random(), random.random())
                    forked = "local_ray.template" in parent, "colorsys" in sys.modules
                    return *forked, os.environ["SAID"], drawn

            first, second = (ray.get(Worker.remote().tell.remote()) for _ in range(2))
            print(first[:3], second[:3])
            print([a == b for a, b in zip(first[3], second[3])])
            family = psutil.Process().children(recursive=True)
            commands = [one.cmdline() for one in family]
            busy = [words for words in commands if not any("idle_agent" in one for one in words)]
            scripts = {Path(word).name for words in busy for word in words}
            print(scripts & {"dashboard.py", "agent.py", "main.py", "monitor.py", "log_monitor.py"})
            next(one for one in family if "coterie.local_ray.template" in one.cmdline()).kill()
            print(ray.get(Worker.remote().tell.remote())[:3])
            ray.shutdown()
        """
    )
    assert said == [
        "(True, True, 'to Ray') (True, True, 'to Ray')",
        "[False, False]",
        "set()",
        "(False, False, 'to Ray')",
    ]


def test_a_worker_of_another_job_is_refused_and_so_is_one_after_the_end(monkeypatch):
    """Ray's library in the template believes that it is of a node's first job."""
    with worker_template(["json"]) as script:
        address = str(script.parent / SOCKET)
        wait_until((script.parent / SOCKET).exists)
        monkeypatch.setenv(JOB, "02000000")
        assert not ask(address, [])
        monkeypatch.setenv(JOB, FIRST_JOB)
        # Without arguments it ends at once, but it was there.
        assert wait_until(lambda: ask(address, []))
    assert not script.exists()
    assert not ask(address, [])


def test_workers_draw_other_ids_than_each_other(tmp_path):
    """The first is of what a worker tries the store with: two of one id end one of the two."""
    said = run(
        f"""
        import os, threading
        from coterie.local_ray.template import FIRST_JOB, JOB, Template
        from coterie.local_ray.worker import ask

        os.environ[JOB] = FIRST_JOB
        template = Template({str(tmp_path / SOCKET)!r})
        template.load("coterie.imports:load_serve")  # Ray Serve draws one as it is imported
        for _ in range(3):
            asking = threading.Thread(target=ask, args=[{str(tmp_path / SOCKET)!r}, []])
            asking.start()
            while asking.is_alive():
                if template.answer() is not None:
                    import ray
                    os.write(1, ray.ObjectRef.from_random().hex().encode() + b"\\n")
                    os._exit(0)
        """
    )
    assert len(set(said)) == 3


def test_a_template_ends_with_who_started_it():
    [number] = run(
        """
        import os
        from coterie.local_ray.template import worker_template

        with worker_template(["json"]):
            import psutil
            print(psutil.Process().children()[0].pid, flush=True)
            os._exit(0)
        """
    )
    wait_until(lambda: not psutil.pid_exists(int(number)))


def test_what_ray_would_run_is_found_without_ray():
    from ray._private.workers import default_worker, setup_worker

    assert usual(WORKER) == default_worker.__file__
    assert usual(SETUP) == setup_worker.__file__


@pytest.mark.parametrize(
    ("told", "variables"),
    [
        (None, {}),
        ({}, {}),
        ({"py_executable": sys.executable, "env_vars": {}, "command_prefix": []}, {}),
        ({"env_vars": {"A": "b"}}, {"A": "b"}),
        ({"env_vars": {"A": "${HOME}/b"}}, None),
        ({"command_prefix": ["nice"]}, None),
        ({"py_executable": "/another/python"}, None),
        ({"what another Ray says": True}, None),
    ],
)
def test_a_worker_is_set_up_by_ray_where_it_asks_for_more_than_variables(told, variables):
    context = [] if told is None else [f"--serialized-runtime-env-context={json.dumps(told)}"]
    given = ["--node-ip-address=127.0.0.1", *context, "--language=PYTHON", "--startup-token=3"]
    left = ["--node-ip-address=127.0.0.1", "--startup-token=3"]
    assert without_setup(given) == (None if variables is None else (left, variables))
    assert without_setup([*left, *context, "--language=JAVA"]) is None
    assert without_setup(left) is None


def test_workers_ask_the_template_without_rays_set_up(tmp_path, monkeypatch):
    """Arguments as Ray gives them; the fork has the variables, and Ray is not loaded for it."""
    asked = []
    monkeypatch.setattr(worker, "ask", lambda _, arguments: not asked.append(arguments))
    monkeypatch.setattr(worker, "become", lambda *given: pytest.fail(f"{given}"))
    monkeypatch.delenv("SAID", raising=False)
    told = json.dumps({"env_vars": {"SAID": "to Ray"}, "py_executable": sys.executable})
    setup = ["--node-id=1", "--language=PYTHON", f"--serialized-runtime-env-context={told}"]
    worker.main([worker.__file__, *setup])
    assert asked == [["--node-id=1"]]
    assert os.environ.pop("SAID") == "to Ray"
    params = RayParams()
    with lean_nodes(tmp_path / "worker.py"), monkeypatch.context() as patched:
        patched.setattr(ray_node.LeanNode.__base__, "__init__", lambda *_, **__: None)
        ray_node.LeanNode(params)
    assert params.worker_path == params.setup_worker_path == str(tmp_path / "worker.py")
