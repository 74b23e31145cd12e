import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "docs" / "examples").glob("*.py"))

FINDS = {
    "01_train_and_recommend.py": ("score", "release/manifest.json"),
    "02_compare_two_models.py": ("difference", "clean/ingest.json"),
}
"""What each prints and leaves."""


def test_there_are_examples():
    assert EXAMPLES


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_an_example_runs_as_it_is(example, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error::SyntaxWarning", example, tmp_path],
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    said, left = FINDS[example.name]
    assert said in done.stdout
    assert (tmp_path / left).exists()
