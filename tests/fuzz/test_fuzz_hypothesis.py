"""The same readers of bytes, led by hypothesis: a find is shrunk to the least that makes it.

COTERIE_EXAMPLES=2000 python -m pytest tests/fuzz/test_fuzz_hypothesis.py     (for longer)
"""

import os
import warnings

import pytest
from fuzz_bytes import readers, spoil, tried
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("COTERIE_EXAMPLES", "25"))
"""Of each reader."""
NAMES = (
    *("csv", "csv.gz", "json lines", "parquet", "token", "file of keys", "mapping", "rules"),
    *("picture", "sound", "manifest", "tensors", "stored tensors", "query", "page"),
    "answer of a model",
    *("body", "body gzip", "body deflate"),
)
pytestmark = pytest.mark.timeout(3600)


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    return readers(tmp_path_factory.mktemp("fuzz"))


def spoilt(samples):
    """Files as they should be with what hypothesis chose done to them, and bytes of no file."""

    def spoil_one(drawn):
        sample, chance = drawn
        return spoil(sample, samples, chance)

    return st.binary(max_size=200) | st.tuples(
        st.sampled_from(samples), st.randoms(use_true_random=False)
    ).map(spoil_one)


def try_all(read, samples):
    """Let hypothesis look for what is neither read nor refused."""

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(data=spoilt(samples))
    def asked(data):
        said = tried(read, data)
        assert said in ("read", "refused"), f"{data[:300]!r}: {said}"

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        asked()


@pytest.mark.parametrize("name", NAMES)
def test_whatever_hypothesis_makes_up_is_read_or_refused(known, name):
    try_all(*known[name])


def test_no_reader_is_left_out(known):
    assert set(NAMES) == set(known)


def test_a_find_is_told_with_the_least_that_makes_it():
    def reads(data):
        if b"{" in data:
            raise KeyError("found")

    with pytest.raises(AssertionError, match="found") as found:
        try_all(reads, [b'{"a": 1}', b"x" * 50])
    assert str(found.value).startswith("b'{':")
