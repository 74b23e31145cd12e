"""Pipelines as YAML for the Kubeflow UI: ``make pipelines``."""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from kfp import compiler

from pipelines.backtest import backtest_pipeline
from pipelines.lists import lists_pipeline
from pipelines.refresh import refresh_pipeline
from pipelines.rollback import rollback_pipeline
from pipelines.train import train_pipeline

PIPELINES: Final = {
    "train": train_pipeline,
    "refresh": refresh_pipeline,
    "backtest": backtest_pipeline,
    "rollback": rollback_pipeline,
    "lists": lists_pipeline,
}


def compile_pipelines(out: str, defaults: Mapping[str, Any] | None = None) -> list[Path]:
    """Write ``<out>/<name>.yaml`` for every pipeline; the same code, the same bytes.

    Args:
        out: Folder.
        defaults: What parameters are where nobody says otherwise, such as the names of an
            install's secrets; those that a pipeline does not have are passed over.
    """
    Path(out).mkdir(parents=True, exist_ok=True)
    written = []
    for name, pipeline in PIPELINES.items():
        path = Path(out, f"{name}.yaml")
        known = pipeline.component_spec.inputs
        given = {one: value for one, value in (defaults or {}).items() if one in known}
        compiler.Compiler().compile(pipeline, str(path), pipeline_parameters=given or None)
        written.append(path)
    return written


def main(arguments: Sequence[str] | None = None) -> None:
    """Compile and say where to."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.compile", description=__doc__)
    parser.add_argument("--out", default="build/pipelines", help="folder (%(default)s)")
    parser.add_argument(
        "--defaults", type=json.loads, metavar="JSON", help="parameters of an install, by name"
    )
    options = parser.parse_args(arguments)
    for path in compile_pipelines(options.out, options.defaults):
        print(f"{path}  (Kubeflow UI: Pipelines, Upload pipeline)")


if __name__ == "__main__":
    main()
