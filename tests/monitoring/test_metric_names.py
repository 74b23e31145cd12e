"""Each metric's name is spelt once, and whatever else names one means one that is there."""

import re
from pathlib import Path

from expressions import base
from metric_list import exported

from coterie import metric_names
from coterie.monitoring.rules import recordings

ROOT = Path(__file__).parents[2]
WHERE = Path("coterie/metric_names.py")
CODE = ("coterie", "serving", "components", "pipelines", "feature_repo", "benchmarks", "helm")
PAGES = ("docs/**/*.md", "*.md", "helm/coterie/**/*.*", "serving/**/static/*.js")
NAMES = {base(name) for name in metric_names.ALL}
COOKIES = {"coterie_language"}
"""Named like metrics, and none."""
SPELT = re.compile(r"\bcoterie_[a-z_]+[a-z]\b")


def spelt_in(path):
    return {base(name) for name in SPELT.findall(path.read_text(encoding="utf-8"))}


def test_no_other_file_of_code_spells_a_name():
    files = [file for folder in CODE for file in (ROOT / folder).rglob("*.py")]
    assert len(files) > 200
    found = {
        str(file.relative_to(ROOT)): names
        for file in files
        if file.relative_to(ROOT) != WHERE and (names := spelt_in(file) & NAMES)
    }
    assert found == {}, f"import these from {WHERE}"


def test_the_names_are_those_of_what_is_exported():
    counters = {name for name, (kind, _, _) in exported().items() if kind == "counter"}
    shown = {f"{name}_total" if name in counters else name for name in exported()}
    assert shown == metric_names.ALL


def test_pages_and_the_chart_name_only_what_is_there():
    found = [file for pattern in PAGES for file in ROOT.glob(pattern) if file.is_file()]
    files = [file for file in found if file.suffix != ".pyc"]
    metrics = {name for file in files for name in spelt_in(file)}
    assert metrics >= NAMES
    assert metrics - NAMES - {base(rule.record) for rule in recordings()} == COOKIES
