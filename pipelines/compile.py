"""Pipelines as YAML for the Kubeflow UI: ``make pipelines``."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from kfp import compiler

from pipelines.train import train_pipeline

PIPELINES = {"train": train_pipeline}


def compile_pipelines(out: str) -> list[Path]:
    """Write ``<out>/<name>.yaml`` for every pipeline; the same code, the same bytes."""
    Path(out).mkdir(parents=True, exist_ok=True)
    written = []
    for name, pipeline in PIPELINES.items():
        path = Path(out, f"{name}.yaml")
        compiler.Compiler().compile(pipeline, str(path))
        written.append(path)
    return written


def main(arguments: Sequence[str] | None = None) -> None:
    """Compile and say where to."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.compile", description=__doc__)
    parser.add_argument("--out", default="build/pipelines", help="folder (%(default)s)")
    for path in compile_pipelines(parser.parse_args(arguments).out):
        print(f"{path}  (Kubeflow UI: Pipelines, Upload pipeline)")


if __name__ == "__main__":
    main()
