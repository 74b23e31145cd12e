"""``make_release.py JSON``: a shop's tables into the store, then the pipeline's own steps.

The steps are those that Kubeflow would run, one after another in this pod. The last line says what
was made.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from coterie.data.stores import open_store
from coterie.release.store import ReleaseStore
from coterie.schema import INGEST_REPORT
from pipelines.train import train_pipeline


def main(given: dict[str, Any]) -> None:
    """Make the tables where there are none, run the pipeline, say what was made."""
    source = given["arguments"]["source"]
    fs, folder = open_store(source)
    with tempfile.TemporaryDirectory() as work:
        if not fs.exists(f"{folder}/ties.parquet"):
            shop = f"{work}/shop"
            run(["coterie", "simulate", "--out", shop, *given["shop"]])
            # The first part of a path is the bucket, where there are buckets.
            if "://" in source:
                fs.makedirs(folder.partition("/")[0], exist_ok=True)
            fs.makedirs(folder, exist_ok=True)
            for path in sorted(Path(shop).glob("*.parquet")):
                fs.put_file(str(path), f"{folder}/{path.name}")
        known = train_pipeline.component_spec.inputs
        # An image of before lacks what came since.
        pairs = [f"{name}={value}" for name, value in given["arguments"].items() if name in known]
        root = f"{work}/run"
        run([sys.executable, "-m", "pipelines.local", "--root", root, *pairs])
        made = json.loads(Path(root, "result.json").read_text())
        people = shoppers(made["clean"])
        if not Path(made["clean"], INGEST_REPORT).is_file():
            sys.exit(f"{made['clean']} holds no tables that ingest wrote")
    store, version = given["arguments"]["release_store"], given["arguments"]["version"]
    release = ReleaseStore(store).get(version)
    print(json.dumps({"version": version, "digest": release.digest, "shoppers": people}))


def shoppers(clean: str, num: int = 40) -> list[str]:
    """Name shoppers who know somebody, those with most friends first."""
    ties = pq.read_table(f"{clean}/ties.parquet", columns=["src_user_id"])
    counted = ties["src_user_id"].value_counts().to_pylist()
    counted.sort(key=lambda one: (-one["counts"], one["values"]))
    return [str(one["values"]) for one in counted[:num]]


def run(command: list[str]) -> None:
    """Run a program whose output is ours.

    Raises:
        SystemExit: It failed.
    """
    done = subprocess.run(command, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with code {done.returncode}")


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
