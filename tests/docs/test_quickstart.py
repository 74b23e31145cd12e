"""The quickstart, command by command, as the page has them."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from served_here import served_here

from benchmarks.published_forms import make_world, online_retail
from coterie.cli import main
from pipelines import demo as demo_module

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "quickstart.md").read_text()
SECTIONS = {
    part.split("\n", 1)[0]: re.findall(r"^```sh\n(.*?)^```", part, re.DOTALL | re.MULTILINE)
    for part in PAGE.split("\n## ")[1:]
}
SMALL = ["--users", "300", "--items", "200", "--events", "15000"]
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
    for command in COMMANDS[section]:
        run(command, tmp_path, monkeypatch)


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


def run(command, folder, monkeypatch):
    """As typed, but for the size of what is made up: a server is asked for a list and stopped, a
    demo ends after its printout."""
    words = shlex.split(command)
    if words[:2] == ["coterie", "simulate"]:
        words += SMALL
    if words[0] == "make":
        # The environment is there: no new pins, and nothing is fetched.
        words[1:1] = ["-o", ".venv/.installed"]
        words += ["ONCE=1", f"PORT={free_port()}"]
        words += [f"ARGS={FEW}"] if "DATA=" in command else [f"ARGS={' '.join(SMALL)}"]
    bin_ = f"{sys.prefix}/bin"
    environment = {
        **os.environ,
        "PATH": f"{bin_}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    if words[:2] == ["coterie", "serve"]:
        serve(words, folder, environment)
    elif words[0] == "make" and "DATA=" in command:
        run_demo(typed([*words, "--dry-run"], folder, environment), monkeypatch)
    else:
        typed(words, folder, environment)


def typed(words, folder, environment):
    """What a command prints that ends well."""
    done = subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def run_demo(command, monkeypatch):
    """What make would run, with the shop served by this process: Ray, whose start takes as long as
    all else, serves the demo of the first section."""
    lists = []
    show = demo_module.show_lists

    def show_and_keep(shop, count):
        lists.extend(shop.recommendations(user, k=5) for user in shop.shoppers(count))
        show(shop, count)

    @contextmanager
    def served(demo, outputs, release):
        state = demo.work / "serving"
        with served_here(release, outputs["store"], outputs["clean"], state, demo.port) as address:
            client = demo_module.Client(address)
            demo_module._check_release(client, release)
            yield client

    monkeypatch.setattr(demo_module, "show_lists", show_and_keep)
    monkeypatch.setattr(demo_module, "_served", served)
    python, _, module, *arguments = shlex.split(command.replace("\\\n", " "))
    assert (python, module) == (".venv/bin/python", demo_module.__name__)
    assert demo_module.main(arguments) == 0
    assert lists
    assert {len(listed["items"]) for listed in lists} == {5}


def serve(words, folder, environment):
    port = free_port()
    with subprocess.Popen([*words, "--port", str(port)], cwd=folder, env=environment) as process:
        try:
            listed = await_list(port, process)
            assert listed["source"] == "own"
            assert listed["items"]
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=60) == 0
        finally:
            process.terminate()


def await_list(port, process):
    url = f"http://127.0.0.1:{port}/v1/users/shopper-0042/recommendations"
    last = time.monotonic() + 180
    while time.monotonic() < last and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)
        except OSError:
            time.sleep(0.5)
    raise AssertionError("the shop did not answer")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]
