"""Feast comes quickly, and works all the same."""

import subprocess
import sys
import textwrap

import pytest


def run(script):
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_feast_comes_without_torch_and_torch_can_come_later():
    said = run(
        """
        import sys
        from coterie.imports import quick_imports

        with quick_imports():
            from feast import Entity
        print("torch" in sys.modules, hasattr(Entity.__init__, "__wrapped__"))
        import torch
        print(torch.ones(2).sum().item())
        """
    )
    assert said == ["False", "False", "2.0"]


@pytest.mark.parametrize("program", ["coterie.cli.main", "pipelines.local", "serving.app"])
def test_programs_look_for_garbage_a_tenth_as_often(program):
    said = run(
        f"""
        import contextlib, gc
        from {program} import main
        print(gc.get_threshold()[0])
        with contextlib.suppress(SystemExit):
            main(["--no-such-option"])
        print(gc.get_threshold()[0])
        """
    )
    assert said == ["700", "10000"]


def test_torch_that_is_there_stays_and_typeguard_is_put_back():
    said = run(
        """
        import sys, types
        ours = sys.modules["torch"] = types.ModuleType("torch")
        import typeguard
        before = typeguard.typechecked
        from coterie.imports import quick_imports

        with quick_imports():
            @typeguard.typechecked
            def double(number: int) -> int:
                return number * 2

            @typeguard.typechecked(forward_ref_policy=None)
            def triple(number: int) -> int:
                return number * 3

        print(double("a"), triple("a"))
        print(typeguard.typechecked is before, sys.modules["torch"] is ours)
        """
    )
    assert said == ["aa", "aaa", "True", "True"]


def test_what_ray_runs_comes_without_torch_that_replicas_alone_need():
    """The sink, the builder and the rollout's controller start in a seventh of the time."""
    said = run(
        """
        import sys
        import serving.deployments
        print([name for name in ("torch", "feast", "kubernetes", "daft") if name in sys.modules])
        """
    )
    assert said == ["[]"]


def test_optimisers_step_without_torchs_compiler_and_it_can_come_later():
    said = run(
        """
        import sys, torch
        from coterie.imports import without_compiler

        weights = torch.nn.Parameter(torch.ones(3))
        with without_compiler():
            optimizer = torch.optim.AdamW([weights], lr=0.5)
            optimizer.zero_grad()
            weights.sum().backward()
            optimizer.step()
            optimizer.load_state_dict(optimizer.state_dict())
        print("torch._dynamo" in sys.modules, "sympy" in sys.modules, weights[0].item() < 1)
        optimizer.step()
        print("sympy" in sys.modules, torch._dynamo.is_compiling())
        """
    )
    assert said == ["False", "False", "True", "True", "False"]


def test_the_command_line_comes_without_what_asks_others():
    """``coterie --help`` and what trains here ask nobody."""
    said = run(
        """
        import sys
        from coterie.cli.parser import make_parser
        import coterie.rollout.api, coterie.rollout.metrics, coterie.rollout.client
        make_parser().format_help()
        print([name for name in ("httpx", "tenacity", "torch") if name in sys.modules])
        """
    )
    assert said == ["[]"]


def test_a_step_that_trains_nothing_comes_without_torch():
    said = run(
        """
        import sys
        import coterie.workflow.sources
        import coterie.workflow.status
        from coterie.workflow import read_config
        print("torch" in sys.modules, read_config("size=8"))
        from coterie.workflow import FitSettings
        print("torch" in sys.modules)
        """
    )
    assert said == ["False", "{'size':", "8}", "True"]


def test_what_a_process_holds_before_it_answers_is_not_looked_through_again():
    said = run(
        """
        import gc
        from coterie.imports import leave_alone_what_is_here

        class Ring:
            pass

        one = Ring()
        one.itself = one
        before = sum(isinstance(found, Ring) for found in gc.get_objects())
        leave_alone_what_is_here()
        after = sum(isinstance(found, Ring) for found in gc.get_objects())
        late = Ring()
        late.itself = late
        del late
        print(before, after, gc.collect() > 0, gc.get_threshold()[0])
        """
    )
    assert said == ["1", "0", "True", "10000"]
