"""What a newcomer meets first: ``make setup`` with whatever Python there is."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ALLOWED = ["3.11", "3.12", "3.13"]


@pytest.fixture
def setup(tmp_path):
    """Run ``make setup`` with fake Pythons alone; what they were asked for, and what was said."""
    bin_, home = tmp_path / "bin", tmp_path / "home"
    bin_.mkdir()
    home.mkdir()
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        (home / name).symlink_to(ROOT / name)
    for tool in ("sh", "sed", "awk", "make", "touch", "mkdir"):
        (bin_ / tool).symlink_to(
            next(p for d in ("/bin", "/usr/bin") if (p := Path(d, tool)).exists())
        )

    def run(*arguments, **pythons):
        for name, version in pythons.items():
            script = bin_ / name.replace("_", ".")
            asked = 'case "$*" in *version_info*)'
            known = (
                f'{asked} echo {version};; *"-m venv"*) echo made with {version} >&2; exit 1;; esac'
            )
            script.write_text("#!/bin/sh\n" + (known if version else "exit 127") + "\n")
            script.chmod(0o755)
        return subprocess.run(
            ["make", "-C", str(home), "setup", *arguments],
            env={"PATH": str(bin_), "HOME": str(home)},
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


@pytest.mark.parametrize(
    ("pythons", "found"),
    [
        ({"python3": "3.10", "python3_10": "3.10"}, "found 3.10"),
        ({"python3": "3.14"}, "found 3.14"),
        ({}, "found no python3 that runs"),
    ],
)
def test_without_a_version_that_works_the_error_names_those_that_do(setup, pythons, found):
    done = setup(**pythons)
    assert done.returncode != 0
    assert f"make setup: {found}, expected one of Python 3.11 3.12 3.13:" in done.stderr
    assert "make setup PYTHON=/path/to/python3.12" in done.stderr
    assert "made with" not in done.stderr


@pytest.mark.parametrize(
    ("pythons", "taken"),
    [
        ({"python3": "3.10", "python3_12": "3.12"}, "3.12"),
        ({"python3_11": "", "python3_13": "3.13"}, "3.13"),  # a version manager's stand-in
        ({"python3_11": "3.11", "python3_13": "3.13"}, "3.11"),
        ({"python3": "3.12"}, "3.12"),
    ],
)
def test_the_first_version_that_works_is_taken(setup, pythons, taken):
    assert f"made with {taken}" in setup(**pythons).stderr


def test_a_version_that_is_named_is_checked_as_well(setup):
    done = setup("PYTHON=python3.9", python3_9="3.9", python3_11="3.11")
    assert "found 3.9, expected one of" in done.stderr


def test_every_place_names_the_same_versions():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    classifiers = [line.rsplit(" ", 1)[1] for line in project["classifiers"] if ":: 3." in line]
    assert classifiers == ALLOWED
    assert project["requires-python"] == ">=3.11,<3.14"
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(r"^PYTHONS := (.*)$", makefile, re.MULTILINE)[1].split() == ALLOWED
    for page in ("README.md", "docs/quickstart.md", "CONTRIBUTING.md"):
        assert "Python 3.11, 3.12 or 3.13" in (ROOT / page).read_text()
