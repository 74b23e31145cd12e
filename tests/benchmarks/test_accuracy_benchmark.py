"""The accuracy benchmark, as far as it goes without a study."""

import json

import numpy as np
import pytest

from benchmarks import accuracy
from coterie.errors import BadInputError

USERS, ITEMS = 40, 30


def write_set(folder, seed):
    """A set of numbered items: everybody had ten, the popular ones more often."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    chance = np.arange(ITEMS, 0, -1) / np.arange(ITEMS, 0, -1).sum()
    had = [(u, i) for u in range(USERS) for i in rng.choice(ITEMS, 10, replace=False, p=chance)]
    parts = {"train": had[0::2], "val": had[1::4], "test": had[3::4]}
    for part, pairs in parts.items():
        rows = "".join(f"{user},{item}\n" for user, item in pairs)
        (folder / f"{part}.csv").write_text("user,item\n" + rows)
    ties = "".join(f"{user},{(user + 1) % USERS}\n" for user in range(USERS))
    (folder / "social.csv").write_text("src,dst\n" + ties)


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """Run the benchmark in this process; its results and its page."""
    for name in ("one", "two"):
        write_set(tmp_path / name, seed=len(name))
    results, page = tmp_path / "out" / "accuracy.json", tmp_path / "accuracy.md"
    monkeypatch.setattr(accuracy, "RESULTS", results)
    monkeypatch.setattr(accuracy, "PAGE", page)
    monkeypatch.setattr(accuracy, "_in_own_process", lambda job: accuracy.fill(job))

    def run(*arguments):
        accuracy.main(["--data", str(tmp_path), "--work", str(tmp_path / "work"), *arguments])
        return json.loads(results.read_text()), page.read_text()

    return run


def test_every_set_in_the_folder_is_measured_whatever_its_name(bench):
    results, page = bench("--models", "popularity")
    cells = results["protocols"]["train+val"]
    assert sorted(cells) == ["one", "two"]
    [ndcg] = cells["one"]["popularity"]["test"]["ndcg@20"]
    assert 0.2 < ndcg < 1
    assert "--sets one --models popularity" in cells["one"]["popularity"]["command"]
    assert f"| {ndcg:.4f} |" in page


def test_a_row_that_its_model_refuses_holds_up_no_others(bench, monkeypatch):
    fill = accuracy.fill

    def refusing(job):
        if job.name == "item_knn" or job.dataset == "one":
            raise BadInputError("a matrix of 30,000 rows, allowed are 25,000")
        return fill(job)

    monkeypatch.setattr(accuracy, "fill", refusing)
    results, page = bench("--models", "popularity", "item_knn")
    assert list(results["protocols"]["train+val"]) == ["two"]
    assert "item_knn is missing: a matrix of 30,000 rows, allowed are 25,000." in page
    assert "30,000 rows" in results["refused"]["train+val"]["one"]["popularity"]["why"]
    monkeypatch.setattr(accuracy, "fill", fill)
    results, _ = bench("--models", "popularity", "--sets", "one")
    assert sorted(results["protocols"]["train+val"]) == ["one", "two"]
    assert list(results["refused"]["train+val"]["one"]) == ["item_knn"]
