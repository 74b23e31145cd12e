import fsspec
import pytest

from coterie.data.load import load_dataset
from coterie.data.stores import open_store, reaching
from coterie.errors import BadInputError, UnavailableError


class EndpointConnectionError(Exception):
    """As botocore raises it: no OSError."""

    __module__ = "botocore.exceptions"


@pytest.mark.parametrize(
    ("trouble", "ours"),
    [
        (EndpointConnectionError("no route"), UnavailableError),
        (TimeoutError("too slow"), UnavailableError),
        (PermissionError("not yours"), BadInputError),
        (FileNotFoundError("gone"), FileNotFoundError),
        (KeyError("a fault of our own"), KeyError),
    ],
)
def test_a_store_s_trouble_becomes_ours(trouble, ours):
    with pytest.raises(ours), reaching("s3://shop/clean"):
        raise trouble


def test_a_store_that_does_not_answer_may_be_asked_again(monkeypatch):
    def fail(*_, **__):
        raise EndpointConnectionError("no route")

    monkeypatch.setattr(fsspec.filesystem("memory"), "cat_file", fail)
    with pytest.raises(UnavailableError, match="memory://shop does not answer: no route"):
        load_dataset("memory://shop")


def test_an_unknown_store_is_refused():
    with pytest.raises(BadInputError, match="on no store that is known"):
        open_store("tape://drawer/7")
