"""Write the chart's README.md from the comments in values.yaml: ``make chart``.

Above each value stands ``# -- what it is for``; a test compares what is written here.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent / "coterie"
COMMENT = re.compile(r"^ *# -- (.*)$")
KEY = re.compile(r"^( *)([A-Za-z0-9]+):")
HEAD = """# coterie

{description}. Needs Kubernetes {kube}, the KubeRay operator 1.7, and Kubeflow Pipelines.

```
helm install coterie helm/coterie -n coterie --create-namespace --set release.store=s3://BUCKET/releases
```

[docs/install.md](../../docs/install.md) goes through it step by step,
[docs/cluster.md](../../docs/cluster.md) begins with an empty kind cluster. `ci/` holds examples:
the least, a GPU pool, and production.

## Values

Every value that may be set; any other is refused by its name. This table is written by
`make chart` from the comments in `values.yaml`.

| value | default | what it is for |
|---|---|---|
"""


def readme(folder: Path = FOLDER) -> str:
    """Write the whole page."""
    chart = yaml.safe_load((folder / "Chart.yaml").read_text())
    text = (folder / "values.yaml").read_text()
    head = HEAD.format(description=chart["description"], kube=chart["kubeVersion"].split("-")[0])
    return head + "".join(rows(text))


def rows(text: str) -> Iterator[str]:
    """Write a line of the table for each described value."""
    values = yaml.safe_load(text)
    for key, about in described(text):
        value: Any = values
        for part in key.split("."):
            value = value[part]
        default = json.dumps(value).replace("|", "\\|")
        yield f"| `{key}` | `{default}` | {about} |\n"


def described(text: str) -> Iterator[tuple[str, str]]:
    """Keys that have a comment, with it."""
    path: list[tuple[int, str]] = []
    about = ""
    for line in text.splitlines():
        if comment := COMMENT.match(line):
            about = comment[1]
        elif key := KEY.match(line):
            depth = len(key[1])
            path = [(d, name) for d, name in path if d < depth] + [(depth, key[2])]
            if about:
                yield ".".join(name for _, name in path), about
            about = ""


def main() -> None:
    """Write the page."""
    (FOLDER / "README.md").write_text(readme())


if __name__ == "__main__":
    main()
