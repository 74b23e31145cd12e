"""A store that takes requests and says nothing is given up."""

import pytest
from s3_server import s3  # noqa: F401 - a fixture
from waiting import PATIENCE_S, not_for_as_long_as

from coterie.data.stores import open_store, reaching
from coterie.errors import UnavailableError


@pytest.mark.parametrize(
    "ask",
    [
        lambda fs, path: fs.pipe_file(f"{path}/a", b"1"),
        lambda fs, path: fs.cat_file(f"{path}/a"),
        lambda fs, path: fs.glob(f"{path}/*/a"),
    ],
    ids=["write", "read", "list"],
)
def test_who_waits_for_a_silent_store_gives_up(s3, ask):  # noqa: F811
    fs, path = open_store("s3://shop/tables")
    s3.fall_silent()
    with (
        not_for_as_long_as(PATIENCE_S),  # it would wait for ever
        pytest.raises(UnavailableError, match="does not answer"),
        reaching("s3://shop/tables"),
    ):
        ask(fs, path)
    assert len(s3.silent.connections) > 1, "asked again before it was given up"
    s3.speak()
    fs.pipe_file(f"{path}/a", b"1")
    assert fs.cat_file(f"{path}/a") == b"1"
