"""Large files of releases are kept once a machine, whole, and mapped by all who serve them."""

import json
import os

import numpy as np
import pytest
import torch
from safetensors.torch import save

from coterie.errors import BadInputError
from coterie.release import kept
from coterie.release.manifest import FileDigest
from coterie.release.tensors import tensors_of


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(kept, "SMALLEST", 100)
    return tmp_path / f"coterie-releases-{os.getuid()}"


DATA = save({"vectors": torch.arange(40.0).reshape(8, 5), "odd": torch.tensor([True, False])})
DIGEST = FileDigest.of(DATA)


def test_a_file_is_kept_and_mapped_by_the_next_who_asks(folder):
    assert kept.kept(DIGEST) is None
    mapped = kept.keep(DATA, DIGEST)
    assert isinstance(mapped, kept.mmap.mmap)
    assert bytes(kept.kept(DIGEST)) == DATA
    assert [path.name for path in folder.iterdir()] == [DIGEST.sha256]
    assert folder.stat().st_mode & 0o777 == 0o700
    tensors = tensors_of(mapped, "here")
    kept.let_go(mapped)
    assert tensors["vectors"].tolist() == torch.arange(40.0).reshape(8, 5).tolist()


@pytest.mark.parametrize("spoil", [lambda d: d[:-1], lambda d: d[:-1] + b"\x07", lambda _: b""])
def test_a_copy_that_is_not_what_it_should_be_is_written_anew(folder, spoil):
    kept.keep(DATA, DIGEST)
    (folder / DIGEST.sha256).write_bytes(spoil(DATA))
    assert kept.kept(DIGEST) is None
    assert bytes(kept.keep(DATA, DIGEST)) == DATA
    assert bytes(kept.kept(DIGEST)) == DATA


def test_what_is_written_to_a_mapped_tensor_stays_in_this_process(folder):
    tensors_of(kept.keep(DATA, DIGEST), "here")["vectors"][0, 0] = 7.0
    assert bytes(kept.kept(DIGEST)) == DATA


def test_a_folder_that_others_may_write_to_is_not_used(folder):
    folder.mkdir(mode=0o700)
    folder.chmod(0o777)
    assert isinstance(kept.keep(DATA, DIGEST), bytearray)
    assert not list(folder.iterdir())


def test_what_nobody_used_for_a_week_is_forgotten(folder):
    kept.keep(DATA, DIGEST)
    os.utime(folder / DIGEST.sha256, (0, 0))
    other = save({"other": torch.zeros(50)})
    kept.keep(other, FileDigest.of(other))
    assert [path.name for path in folder.iterdir()] == [FileDigest.of(other).sha256]


def with_header(described):
    header = json.dumps(described).encode()
    return bytearray(len(header).to_bytes(8, "little") + header + bytes(16))


@pytest.mark.parametrize(
    "spoilt",
    [
        bytearray(b""),
        bytearray(b"\xff" * 8 + b"{}"),
        with_header([]),
        with_header({"a": {"dtype": "F32", "shape": [4], "data_offsets": [4, 20]}}),
        with_header({"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 16]}}),
        with_header({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}),
        with_header({"a": {"dtype": "Q9", "shape": [4], "data_offsets": [0, 16]}}),
        with_header({"a": {"dtype": "F32", "shape": [-4], "data_offsets": [0, 16]}}),
    ],
)
def test_what_is_no_safetensors_file_is_refused(spoilt):
    with pytest.raises(BadInputError, match="no safetensors"):
        tensors_of(spoilt, "here")


def test_tensors_are_those_that_safetensors_reads():
    rng = np.random.default_rng(0)
    tensors = {
        "odd": torch.tensor([True]),
        "number": torch.tensor(3.5).double(),
        "none": torch.zeros(0, 4),
        "half": torch.from_numpy(rng.normal(size=(3, 2))).half(),
        "rows": torch.from_numpy(rng.integers(9, size=7).astype(np.int32)),
    }
    found = tensors_of(bytearray(save(tensors)), "here")
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        torch.testing.assert_close(found[name], tensor, rtol=0, atol=0)
