"""A program whose slow imports a test holds up, to see what it says meanwhile."""

import json
import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager

SLOW = ("daft", "fsspec", "kubernetes", "pandas", "pyarrow", "redis", "sqlite3")
"""What is loaded while a program listens, not before."""
NEVER = ("feast", "kfp", "ray", "torch")
"""What a program gets ready without."""
SCRIPT = f"""
import runpy, sys, threading

class HeldUp:
    def find_spec(self, name, path=None, target=None):
        name = name.partition(".")[0]
        listens = any(thread.name == "pages" for thread in threading.enumerate())
        if name in {NEVER} or name in {SLOW} and not listens:
            raise SystemExit(f"{{name}} is imported " + ("needlessly" if listens else "too early"))
        if name in {SLOW}:
            print(f"held up at {{name}}", file=sys.stderr, flush=True)
            sys.stdin.readline()
            sys.meta_path.remove(watch)
            sys.meta_path.insert(0, rest)

class Rest:
    def find_spec(self, name, path=None, target=None):
        if name in {NEVER}:
            raise SystemExit(f"{{name}} is imported needlessly")

watch, rest = HeldUp(), Rest()
sys.meta_path.insert(0, watch)
module = sys.argv.pop(1)
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


class Program:
    def __init__(self, process):
        self.process, self.said = process, []

    def until(self, wanted):
        """Read its log up to a line with these words, which is given back."""
        for line in self.process.stderr:
            self.said.append(line)
            if wanted in line:
                return line
        raise AssertionError(f"it ended without {wanted!r}:\n{''.join(self.said)}")

    def go_on(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        # Or the pipe would fill.
        rest = threading.Thread(target=lambda: self.said.extend(self.process.stderr), daemon=True)
        rest.start()

    @property
    def alive(self):
        return self._status("/healthz")

    @property
    def ready(self):
        return self._status("/readyz")

    def _status(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            with error:
                return error.code


@contextmanager
def held_up(module, *arguments, **environment):
    """A module as a program that listens, and whose first slow import does not end yet."""
    pipes = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    command = [sys.executable, "-c", SCRIPT, module, *arguments, "--port", "0"]
    with subprocess.Popen(command, env={**os.environ, **environment}, **pipes) as process:
        try:
            program = Program(process)
            program.port = json.loads(program.until('"listens"'))["port"]
            program.until("held up")
            yield program
        finally:
            process.kill()
            process.stderr.close()
