"""What vectors cost, size by size: a run of one size keeps the figures of the others."""

import json

from benchmarks import vectors


def test_a_size_that_is_measured_again_replaces_its_own_figures_alone(tmp_path, monkeypatch):
    results = json.loads(vectors.RESULTS.read_text())
    results["meaning"] = [{"items": n, "seconds": 1.0, "found": 1.0} for n in (600, 5_000)]
    monkeypatch.setattr(vectors, "RESULTS", tmp_path / "vectors.json")
    vectors.RESULTS.write_text(json.dumps(results))
    vectors.main(["--nearest", "700", "600"])
    found = json.loads(vectors.RESULTS.read_text())
    assert [one["items"] for one in found["meaning"]] == [600, 700, 5_000]
    assert found["meaning"][0]["seconds"] != 1.0
    assert found["meaning"][2] == results["meaning"][1]
    assert found["words"] == results["words"]
    assert found["encoding"] == results["encoding"]
