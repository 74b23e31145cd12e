"""The glossary names what the code has."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("coterie", "components", "pipelines", "serving", "feature_repo")


def rows():
    """Word, and names that the glossary says are in the code."""
    lines = (ROOT / "docs" / "glossary.md").read_text().splitlines()
    cells = [re.split(r"\s*\|\s*", line.strip("| ")) for line in lines if line.startswith("| ")]
    return [(cell[0], re.findall(r"`([^`]+)`", cell[2])) for cell in cells if cell[0] != "word"]


@pytest.fixture(scope="module")
def code():
    """Names of the code's files, and every identifier in them."""
    files = [file for package in PACKAGES for file in (ROOT / package).rglob("*.py")]
    words = {word for file in files for word in re.findall(r"[A-Za-z_]\w*", file.read_text())}
    return words | {file.name for file in files}


def test_every_name_of_the_glossary_is_in_the_code(code):
    assert len(rows()) > 60
    gone = {word: [n for n in names if n not in code] for word, names in rows()}
    assert {word: names for word, names in gone.items() if names} == {}
    assert [word for word, names in rows() if not names] == []


def test_every_word_stands_once():
    words = [word for word, _ in rows()]
    assert sorted({word for word in words if words.count(word) > 1}) == []
