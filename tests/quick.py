"""Which tests are quick: those of ``make test-quick``, for the loop of writing and trying."""

from collections.abc import Container
from typing import Final

NEVER: Final = ("slow", "gpu", "browser", "cluster")
"""Markers of tests that take long, or need what a laptop may lack."""
LONG: Final = frozenset(
    {
        "tests/cli/test_serve.py",
    }
)
"""Files that add up to more than some seconds, without one test that is slow by itself."""


def is_quick(path: str, markers: Container[str]) -> bool:
    """Whether a test of a file (from the repository's root) with these markers is quick."""
    return path not in LONG and not any(marker in markers for marker in NEVER)
