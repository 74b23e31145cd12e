"""The toy of ``test_pipeline_step``: what its step does. Imported by the step's own process."""

import json
from pathlib import Path

import numpy as np

from coterie.data.load import load_dataset


# Step 1, coterie/workflow/<step>.py: reads folders, leaves one; all decisions are here.
def count_shelves(clean: str, out: str, min_items: int) -> None:
    """Write how many items each category has, if it has at least so many."""
    category = load_dataset(clean).catalogue["category"].to_pylist()
    names, counts = np.unique([name or "none" for name in category], return_counts=True)
    Path(out).mkdir(parents=True)
    kept = counts >= min_items
    shelves = dict(zip(names[kept].tolist(), counts[kept].tolist(), strict=True))
    Path(out, "shelves.json").write_text(json.dumps(shelves) + "\n")
