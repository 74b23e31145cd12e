"""The accuracy benchmark, as far as it goes without a study."""

import json

import numpy as np
import pytest

from benchmarks import accuracy
from benchmarks.accuracy import FIGURES
from benchmarks.accuracy_tables import write_tables
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
    results, page = tmp_path / "out" / "accuracy.json", tmp_path / "appendix.md"
    page.write_text("<!-- = tables -->\n<!-- / -->\n")
    monkeypatch.setattr(accuracy, "RESULTS", results)
    monkeypatch.setattr(accuracy, "PAGES", (page,))
    monkeypatch.setattr(accuracy, "CHART", None)
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


def test_a_cell_is_measured_again_with_the_settings_it_has(bench, monkeypatch, tmp_path):
    bench("--models", "popularity", "--sets", "one")
    job = accuracy.Job("one", "item_knn", str(tmp_path / "work"), 1, "train+val", as_before=True)
    with pytest.raises(BadInputError, match="no cell one item_knn"):
        accuracy.fill(job)
    results = accuracy._results()
    cells = results["protocols"]["train+val"]["one"]
    cells["item_knn"] = {"settings": {"neighbours": 7, "shrinkage": 3.0}, "test": {}, "against": {}}
    accuracy._write(results)
    monkeypatch.setattr(accuracy, "tune_model", None)  # no study
    results, _ = bench("--models", "item_knn", "--sets", "one", "--as-before")
    cell = results["protocols"]["train+val"]["one"]["item_knn"]
    assert cell["settings"] == {"neighbours": 7, "shrinkage": 3.0}
    assert cell["test"]["ndcg@20"][0] > 0.2
    assert cell["command"].endswith("--as-before --fit-on train+val")


def test_a_cell_that_is_not_there_takes_the_settings_of_the_row_it_is_like(bench, tmp_path):
    bench("--models", "popularity", "--sets", "one")
    results = accuracy._results()
    cells = results["protocols"]["train+val"]["one"]
    cells["social"] = {
        "settings": {"embedding_size": 8, "linear_weight": 0.5, "linear": {"rank": 4}},
        "test": {},
    }
    accuracy._write(results)
    job = accuracy.Job("one", "social_learned", str(tmp_path), 1, "train+val", as_before=True)
    settings = accuracy._settings_before(job, accuracy.ENTRIES["social_learned"])
    assert settings == {"embedding_size": 8, "linear_weight": 0.0, "linear.rank": 4}


def test_comparisons_of_a_cell_from_elsewhere_are_kept(bench, tmp_path):
    bench("--models", "popularity", "--sets", "one")
    (tmp_path / "work/one/per_shopper/train+val/popularity.npy").unlink()
    results = accuracy._results()
    cell = results["protocols"]["train+val"]["one"]["popularity"]
    cell["against"] = {"ease": {"relative": None, "p": 0.5}}
    accuracy._write(results)
    cells = results["protocols"]["train+val"]["one"]
    cells["item_knn"] = {"settings": {"neighbours": 7}, "test": {}, "against": {}}
    accuracy._write(results)
    results, _ = bench("--models", "item_knn", "--sets", "one", "--as-before")
    cells = results["protocols"]["train+val"]["one"]
    assert cells["popularity"]["against"] == cell["against"]
    assert cells["item_knn"]["against"] == {}


def test_the_tables_say_what_tuning_chose():
    settings = {
        "embedding_size": 512,
        "heads": 4,
        "friends_for_cold_start_only": True,
        "linear": {"rank": 64},
    }
    cell = {
        "settings": settings,
        "linear_weight": 0.05,
        "popularity_weight": None,
        "validation": 0.1234567,
    }
    cell |= {"test": {figure: [0.5] for figure in FIGURES}, "against": {}, "peak_gib": 1.0}
    tables = write_tables({"protocols": {"train+val": {"one": {"social": cell}}}})
    assert "| one | 4 x 128 | 6 | 0.5 | 0 | 0.5 | newcomers | 0.05 |  | 0.1235 |" in tables
