"""What ``make test-quick`` runs."""

import ast
from pathlib import Path

import pytest
from quick import LONG, LONGEST, NEVER, is_quick, rank

TESTS = Path(__file__).parents[1]
FOLDERS = sorted({path.parent for path in TESTS.rglob("test_*.py")} - {TESTS / "cluster_live"})
"""All but the folder whose every test needs a cluster."""


def markers(node):
    """Names of pytest's markers in decorators, or in ``pytestmark``."""
    return {
        part.attr
        for part in ast.walk(node)
        if isinstance(part, ast.Attribute)
        and isinstance(part.value, ast.Attribute)
        and part.value.attr == "mark"
    }


def quick_tests(path):
    """Names of a file's tests that are quick."""
    tree = ast.parse(path.read_text())
    of_all = set().union(
        *(
            markers(n)
            for n in tree.body
            if isinstance(n, ast.Assign) and "pytestmark" in ast.unparse(n)
        )
    )
    name = path.relative_to(TESTS.parent).as_posix()
    return [
        test.name
        for test in ast.walk(tree)
        if isinstance(test, ast.FunctionDef)
        and test.name.startswith("test_")
        and is_quick(name, of_all.union(*map(markers, test.decorator_list)))
    ]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_folder_has_a_quick_test(folder):
    assert any(quick_tests(path) for path in folder.glob("test_*.py"))


def test_a_file_that_is_called_long_is_there():
    assert sorted(name for name in (*LONG, *LONGEST) if not (TESTS.parent / name).exists()) == []


def test_the_longest_files_come_first_and_then_those_with_slow_tests_and_long_ones():
    alone = next(path for path in sorted(LONG) if path not in LONGEST)
    assert rank(LONGEST[0], False) < rank(LONGEST[1], True)
    assert rank(LONGEST[-1], True) < rank("tests/a.py", True) < rank(alone, False)
    assert rank(alone, False) < rank("tests/b.py", False)


@pytest.mark.parametrize("marker", NEVER)
def test_what_is_marked_is_not_quick(marker):
    assert not is_quick("tests/data/test_ingest.py", {marker})
    assert is_quick("tests/data/test_ingest.py", {"parametrize"})


def test_the_mark_is_set(request):
    assert request.node.get_closest_marker("quick")
