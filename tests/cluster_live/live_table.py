"""The steps as tables: those that are listed in the documentation, and how they ended in a run.

``python tests/cluster_live/live_table.py`` writes the list into ``docs/cluster.md``.
"""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).parent
PAGE: Final = HERE.parents[1] / "docs/cluster.md"
BEGIN: Final = "<!-- steps: written by make chart -->"
END: Final = "<!-- end of steps -->"
ORDER: Final = (
    "test_install", "test_live_rollouts", "test_upgrades", "test_disruptions", "test_faults",
    "test_neighbours", "test_kubeflow", "test_uninstall", "test_previous_version",
)  # fmt: skip
"""Subjects as they come in the life of an install."""
FAKE: Final = "fake"
"""Mark of a step that runs against the fake Kubernetes in the usual tests."""


@dataclass(frozen=True)
class Step:
    """One step, as its code says."""

    subject: str
    name: str
    about: str
    fake: bool


def steps() -> Iterator[Step]:
    """All steps, in their order."""
    for subject in ORDER:
        tree = ast.parse((HERE / f"{subject}.py").read_text())
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                about = (ast.get_docstring(node) or "").partition("\n")[0]
                marks = {ast.unparse(mark) for mark in node.decorator_list}
                yield Step(
                    subject.removeprefix("test_").removeprefix("live_").replace("_", " "),
                    node.name.removeprefix("test_").replace("_", " "),
                    about,
                    f"pytest.mark.{FAKE}" in marks,
                )


def page(text: str) -> str:
    """The page with the list of today."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    lines = ["| subject | step | in the usual tests |", "|---|---|---|"]
    for step in steps():
        about = f"{step.name}. {step.about}".rstrip(". ")
        held = "against the fake Kubernetes" if step.fake else "waits for a cluster"
        lines.append(f"| {step.subject} | {about} | {held} |")
    return "\n".join([f"{before}{BEGIN}", "", *lines, "", f"{END}{after}"])


def table(results: Sequence[dict[str, Any]]) -> list[str]:
    """Lines of the table at the end of a run: result, seconds, step, figures."""
    return [
        f"{one['result']:<8}{one['seconds']:>8.1f} s  {one['step']}"
        + (f"  [{'; '.join(one['saw'])}]" if one["saw"] else "")
        for one in results
    ]


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
