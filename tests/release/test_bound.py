"""A manifest's promise is read as it was written, and not believed when it is damaged."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from test_bundle import content, edit_manifest

from coterie.errors import BadInputError
from coterie.privacy.promise import Promise
from coterie.release.bundle import load_release, write_release
from coterie.release.manifest import MANIFEST

PROMISE = Promise(2.9, 1e-6, "opacus 1.6.0, RDP", 10, 2.0, {"popularity": 4.0, "had_together": 2.0})


def test_a_promise_comes_back_as_it_was_given(tmp_path):
    folder = str(tmp_path / "release")
    write_release(folder, replace(content(), bound=PROMISE))
    assert load_release(folder).manifest.bound == PROMISE


def test_a_release_without_one_says_nothing_of_it(tmp_path):
    folder = str(tmp_path / "release")
    assert write_release(folder, content()).manifest.bound is None
    assert "bound" not in json.loads(Path(folder, MANIFEST).read_text())


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        "epsilon 1",
        PROMISE.as_json() | {"epsilon": 0},
        PROMISE.as_json() | {"epsilon": "much"},
        PROMISE.as_json() | {"delta": 2},
        PROMISE.as_json() | {"noise": {"popularity": 0}},
        PROMISE.as_json() | {"noise": [1, 2]},
        PROMISE.as_json() | {"covers": [3]},
        PROMISE.as_json() | {"accountant": None},
    ],
)
def test_a_damaged_one_is_refused(tmp_path, wrong):
    folder = str(tmp_path / "release")
    write_release(folder, replace(content(), bound=PROMISE))
    edit_manifest(folder, bound=wrong)
    with pytest.raises(BadInputError, match=r"bound|epsilon|delta"):
        load_release(folder)
