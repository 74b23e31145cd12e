"""What pages tell people to type is what coterie takes: its commands and options."""

import re
import shlex
from pathlib import Path

import pytest

from coterie.cli.parser import make_parser

ROOT = Path(__file__).parents[2]
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("*.md"))]
BLOCK = re.compile(r"^ *```sh\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
COMMAND = re.compile(r"(?:^|[;&(]) *(?:[A-Z_]+=\S+ )*coterie ([a-z].*)$", re.MULTILINE)
END = re.compile(r"\s(?:\||&&?|[0-9]?>)(?:\s|$)|;|\)$")


def commands(page):
    """Whatever stands behind `coterie` in a line of shell, without pipes and redirections."""
    for block in BLOCK.findall(page.read_text()):
        for given in COMMAND.findall(block.replace("\\\n", " ")):
            yield shlex.split(END.split(given)[0], comments=True)


@pytest.mark.parametrize(
    "page", [page for page in PAGES if [*commands(page)]], ids=lambda p: p.stem
)
def test_commands_of_a_page_are_taken(page, capsys):
    parser = make_parser()
    refused = []
    for given in commands(page):
        try:
            parser.parse_args(given)
        except SystemExit as ended:
            if ended.code:
                refused.append((given, capsys.readouterr().err))
    assert refused == []
