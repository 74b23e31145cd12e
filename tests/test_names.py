"""Names that mean one thing."""

import ast
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("coterie", "components", "pipelines", "serving", "feature_repo")


def test_no_name_of_a_class_means_two_things():
    found = Counter(
        node.name
        for package in PACKAGES
        for file in (ROOT / package).rglob("*.py")
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.ClassDef)
    )
    assert [name for name, times in found.items() if times > 1] == []


@pytest.mark.parametrize("content", [b"as it came", b"packed at a second"])
def test_a_test_is_not_named_after_bytes(request, content):
    assert content
    assert request.node.name.split("[")[1] in ("content0]", "content1]")
