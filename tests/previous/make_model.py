"""Writes down what training left behind before its settings and tensors were renamed.

Run in a checkout of that version (commit 3554989 is the last one):
``PYTHONPATH=. python /path/to/tests/previous/make_model.py /path/to/tests/previous/model``.
"""

import json
import shutil
import sys
from dataclasses import asdict
from pathlib import Path

sys.path.append(str(Path.cwd() / "tests"))

import pyarrow as pa
from synthetic import planted

from coterie.fitting.fit import Here, fit
from coterie.models import MODELS
from coterie.models.blending import popularity
from coterie.release.bundle import ReleaseContent, write_release
from coterie.schema import ITEMS
from coterie.workflow.settings import change

SETTINGS = {"dim": 4, "heads": 2, "scale": 8.0, "mix": 0.25, "prior": 0.5, "linear.rank": 4}
SETTINGS |= {"linear.neighbours": 3, "linear.tail": 0.75, "loop.max_epochs": 2}


def main() -> None:
    target, data = Path(sys.argv[1]), planted().data
    config = change(MODELS["social"].config_class(), SETTINGS)
    model = fit(data, "social", config, Here(str(target / "checkpoints")))
    shutil.rmtree(target / "checkpoints" / "epoch-000001")
    ids = [{"item_id": f"item-{row:03d}"} for row in range(data.num_items)]
    content = ReleaseContent(
        version="v1",
        parameters=model.parameters,
        catalogue=pa.Table.from_pylist(ids, schema=ITEMS.arrow),
        popularity=popularity(data),
        metrics={},
        data_fingerprint="planted",
        limits={},
    )
    write_release(str(target / "release"), content)
    (target / "settings.json").write_text(json.dumps(asdict(config), indent=1) + "\n")


if __name__ == "__main__":
    main()
