"""The quickstart, command by command, as the page has them."""

import json
import os
import re
import shlex
import subprocess
import sys
import urllib.request
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from ports import free_port
from served_here import served_here, settings_of

from benchmarks.published_forms import make_world, online_retail
from coterie.cli import main
from coterie.cli import serve as cli_serve
from coterie.release.store import ReleaseStore
from coterie.rollout.plan import PAIRED
from pipelines import demo as demo_module
from pipelines import processes
from pipelines.faulty_releases.library import SHOWN
from serving import app

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "quickstart.md").read_text()
SECTIONS = {
    part.split("\n", 1)[0]: re.findall(r"^```sh\n(.*?)^```", part, re.DOTALL | re.MULTILINE)
    for part in PAGE.split("\n## ")[1:]
}
SMALL = ["--users", "300", "--items", "200", "--events", "15000"]
ENOUGH = ["--users", "600", "--items", "500", "--events", "30000"]
"""Enough that ids on other items' vectors are told from the right ones."""
CAUGHT_BY = {
    "not-numbers": ("preflight",),
    "shuffled-items": ("score_out_of_range", "clicks", "purchases", "duplicate_lists", *PAIRED),
    # So slow that it is not even an answer.
    "slow": ("slow", "failures"),
    "raising": ("failures",),
    "same-list": ("duplicate_lists", "score_out_of_range", *PAIRED),
}
"""What may find each fault that the demo rolls out."""
FEW = """'settings={"loop.max_epochs": 3}' 'baselines=popularity social'"""
"""Parameters of a demo whose pipeline has to run, and need not do well."""
COMMANDS = {
    title: [line for block in blocks for line in block.splitlines()]
    for title, blocks in SECTIONS.items()
    if blocks
}


def test_every_block_of_the_page_says_what_it_is():
    assert set(re.findall(r"^```(.+)$", PAGE, re.MULTILINE)) == {"sh", "text", " { .python }"}
    assert not [
        line
        for line in re.sub(
            r"^```sh\n.*?^```", "", PAGE, flags=re.DOTALL | re.MULTILINE
        ).splitlines()
        if line.startswith(("coterie ", "make "))
    ]
    assert list(COMMANDS) == [
        "One command",
        "Step by step",
        "Your own tables",
        "Any other export",
        "A public data set",
    ]


@pytest.mark.slow
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("section", COMMANDS)
def test_a_section_of_the_page_runs_as_it_is(section, tmp_path, monkeypatch):
    place(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{sys.prefix}/bin:{os.environ['PATH']}")
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", path)
    for command in COMMANDS[section]:
        run(command, monkeypatch)
    if section == "One command":
        check_rollouts(tmp_path / "var" / "demo")


def check_rollouts(demo):
    """The better release is promoted, and each bad one rolled back by the right signal, while
    nobody's request fails."""
    good, *bad = json.loads((demo / "rollouts.json").read_text())
    assert (good["phase"], good["failed"]) == ("promoted", 0), good
    assert good["lists"] > 100
    assert set(SHOWN) == set(CAUGHT_BY)
    for fault, one in zip(SHOWN, bad, strict=True):
        assert one["version"].endswith(fault)
        assert one["phase"] == "rolled_back", one
        assert one["why"].startswith(CAUGHT_BY[fault]), one
        assert one["failed"] == 0, one
        assert one["restored_s"] < 10.0, one
    assert ReleaseStore(str(demo / "releases")).champion() == good["version"]


def place(folder):
    """What a person has who begins: this repository, its environment, and the data named there."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        (folder / name).symlink_to(ROOT / name)
    (folder / ".venv").symlink_to(sys.prefix)
    own = folder / "path" / "to" / "folder"
    assert main(f"simulate --out {own} --users 200 --items 120 --events 9000".split()) == 0
    world = make_world(num_users=200, num_items=160, per_user=30)
    for name, write in (("export", online_retail), ("beidian", beidian)):
        (folder / "path" / "to" / name).mkdir()
        write(folder / "path" / "to" / name, world)


def beidian(folder, world):
    """Numbered users and items in the form of that set, by chance in three parts."""
    part = np.random.default_rng(1).choice(3, len(world.user), p=(0.8, 0.1, 0.1))
    for code, name in enumerate(("train", "val", "test")):
        rows = zip(world.user[part == code], world.item[part == code], strict=True)
        (folder / name).write_text("".join(f"{u}\t{i}\n" for u, i in rows))
    pairs = world.friends.tolist()
    (folder / "social").write_text("".join(f"{a}\t{b}\n" for a, b in pairs))
    shared = ((a, b, world.item[n]) for n, (a, b) in enumerate(pairs))
    (folder / "ufi").write_text("".join(f"{a}\t{b}\t{i}\n" for a, b, i in shared))


def run(command, monkeypatch):
    """As typed, but for the size of what is made up: a server is asked for a list and stopped, a
    demo ends after its printout."""
    words = shlex.split(command)
    if words[:2] == ["coterie", "simulate"]:
        words += SMALL
    if words[0] == "make":
        # The environment is there: no new pins, and nothing is fetched.
        words[1:1] = ["-o", ".venv/.installed"]
        words += ["ONCE=1", f"PORT={free_port()}"]
        words += [f"ARGS={FEW}"] if "DATA=" in command else [f"ARGS={' '.join(ENOUGH)}"]
    if words[:2] == ["coterie", "serve"]:
        serve([*words[1:], "--port", str(free_port())], monkeypatch)
    elif words[0] == "make" and "DATA=" in command:
        run_demo(typed([*words, "--dry-run", "--no-print-directory"]), monkeypatch)
    elif words[0] == "coterie":
        # As `coterie`, typed once below, would: a process for each takes three seconds to import.
        with warnings.catch_warnings():
            warnings.simplefilter("default")  # not as errors, as for those who type it
            assert main(words[1:]) == 0
    else:
        typed(words)


def test_the_command_is_installed(monkeypatch):
    monkeypatch.setenv("PATH", f"{sys.prefix}/bin:{os.environ['PATH']}")
    assert "simulate" in typed(["coterie", "--help"])


def typed(words):
    """What a command prints that ends well."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


# Ray starts for the demo of the first section, and in tests/cli/test_serve.py: elsewhere its start
# and its stop would take longer than all else. The same app answers in this process.


def run_demo(command, monkeypatch):
    """What make would run, in this process."""
    shown = []
    show = demo_module.show_lists

    def show_and_keep(shop, count):
        shown.extend(shop.recommendations(user, k=5) for user in shop.shoppers(count))
        show(shop, count)

    @contextmanager
    def child(words, environment, output=None):
        if app.__name__ not in words:
            with processes.child(words, environment, output) as process:
                yield process
            return
        with served_here(settings_of(words, environment)):
            yield None

    monkeypatch.setattr(demo_module, "show_lists", show_and_keep)
    monkeypatch.setattr(demo_module, "child", child)
    python, _, module, *arguments = shlex.split(command.replace("\\\n", " "))
    assert (python, module) == (".venv/bin/python", demo_module.__name__)
    assert demo_module.main(arguments) == 0
    assert shown
    assert {len(listed["items"]) for listed in shown} == {5}


def serve(arguments, monkeypatch):
    started = []
    monkeypatch.setattr(cli_serve.os, "execve", lambda *given: started.append(given))
    assert main(arguments) == 0
    [(program, words, environment)] = started
    assert words[:2] == [program, "-m"]
    settings = settings_of(words, environment)
    url = f"http://{settings.host}:{settings.port}/v1/users/shopper-0042/recommendations"
    with served_here(settings), urllib.request.urlopen(url, timeout=30) as answer:
        listed = json.load(answer)
    assert listed["source"] == "own"
    assert listed["items"]
