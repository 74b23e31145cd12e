"""``coterie release diff``, as a person types it."""

import json

import numpy as np
import pyarrow as pa
import pytest
import torch

from coterie.cli import main
from coterie.release.bundle import ReleaseContent, write_release
from coterie.rollout.figures import FIGURES
from coterie.schema import ITEMS

NUM = 40


@pytest.fixture
def store(tmp_path):
    """Two releases: every title of the second is a mark, and every price 0."""
    for version, title, price in (("v7", "Tea {}", 3.0), ("v8", "?", 0.0)):
        rows = [
            {"item_id": f"i{n:02d}", "title": title.format(n), "price": price, "category": "Tea"}
            for n in range(NUM)
        ]
        content = ReleaseContent(
            version=version,
            parameters={"item_out": torch.ones((NUM, 3))},
            catalogue=pa.Table.from_pylist(rows, schema=ITEMS.arrow),
            popularity=np.arange(NUM, dtype=np.float32),
            metrics={},
            data_fingerprint="small",
            limits={},
        )
        write_release(str(tmp_path / version), content)
    return str(tmp_path)


def test_what_exceeds_its_limit_is_marked(store, capsys):
    assert main(["release", "diff", "v7", "v8", "--store", store]) == 0
    lines = capsys.readouterr().out.splitlines()
    marked = {line.split()[0] for line in lines if "over its limit" in line}
    assert marked == {"blank_titles", "titles_changed", "zero_prices"}
    assert "titles_changed: items that have another title" in lines
    assert any(line.startswith("Preflight would refuse") for line in lines)
    assert {line.split()[0] for line in lines if line} >= set(FIGURES)


def test_releases_are_named_by_folder_as_well(store, capsys):
    assert main(["release", "diff", f"{store}/v7", f"{store}/v7"]) == 0
    told = capsys.readouterr().out
    assert "Preflight would let" in told
    assert "over its limit" not in told


def test_programs_get_every_figure_with_its_limit(store, capsys):
    arguments = ["release", "diff", "v7", "v8", "--store", store, "--json"]
    assert main([*arguments, "--limits", "titles_changed=1", "blank_titles=1"]) == 0
    told = json.loads(capsys.readouterr().out)
    figures = {one["name"]: one for one in told["figures"]}
    assert set(figures) == set(FIGURES)
    assert (figures["titles_changed"]["verdict"], figures["titles_changed"]["limit"]) == ("good", 1)
    assert figures["zero_prices"]["verdict"] == "bad"
    assert figures["titles_changed"]["examples"] == ["Tea 0 → ?", "Tea 1 → ?", "Tea 2 → ?"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["v7", "v9", "--store", "STORE"], "holds no release 'v9', only ['v7', 'v8']"),
        (["v7", "v8", "--store", "STORE", "--limits", "titels=1"], "no figure titels"),
        (["v7", "v8", "--store", "STORE", "--limits", "titles_changed"], "expected NAME=NUMBER"),
        (["/no/such", "/nor/this"], "is no folder"),
    ],
)
def test_what_cannot_be_compared_is_said_in_a_line(store, arguments, says, capsys):
    given = [store if one == "STORE" else one for one in arguments]
    assert main(["release", "diff", *given]) == 2
    assert says in capsys.readouterr().err
