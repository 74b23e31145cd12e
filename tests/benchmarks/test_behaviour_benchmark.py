"""What one run of the benchmark of behaviour leaves of the runs before it."""

import json

import benchmarks.behaviour


def test_sets_that_were_not_asked_for_keep_their_rows(tmp_path, monkeypatch):
    file = tmp_path / "behaviour.json"
    monkeypatch.setattr(benchmarks.behaviour, "RESULTS", file)
    for name in ("ciao", "simulated"):
        parts = {"intervals": lambda data: {data: {"ends": 9}}}
        monkeypatch.setattr(benchmarks.behaviour, "PARTS", parts)
        benchmarks.behaviour.main(["intervals", "--data", name])
    assert set(json.loads(file.read_text())["intervals"]) == {"ciao", "simulated"}
