"""Two models on one split, compared shopper by shopper, with an interval of the difference.

Run it with: .venv/bin/python docs/examples/02_compare_two_models.py
"""

import sys
import tempfile

from coterie.data import splits
from coterie.data.ingest import ingest
from coterie.data.load import load_dataset
from coterie.data.simulate import ShopConfig, simulate
from coterie.evaluation.protocols import evaluate_model
from coterie.evaluation.significance import paired_test
from coterie.models import MODELS

folder = sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp()

# Yours would be a folder that `coterie ingest` wrote; `--dataset split_csv` takes a split of yours.
simulate(ShopConfig(num_users=200, num_items=100, num_events=6_000)).write(f"{folder}/raw")
ingest(f"{folder}/raw", f"{folder}/clean")

# 1. The split: as `events.split` has it where the tables bring one, else by time.
split = splits.choose(load_dataset(f"{folder}/clean"))

# 2. Both models learn from training and validation, and rank all items for the same shoppers.
found, seen = {}, split.for_test()
for name in ("ease", "item_knn"):
    model = MODELS[name](MODELS[name].config_class())
    model.fit(seen)
    found[name] = evaluate_model(model, seen, split.test)
    print(f"{name}: NDCG@20 {found[name].mean('ndcg@20'):.4f}")

# 3. The difference, with a bootstrap interval of 95 % over shoppers and a sign-flip p-value.
test = paired_test(found["ease"].metrics["ndcg@20"], found["item_knn"].metrics["ndcg@20"])
difference = test.difference
print(f"difference {difference.mean:+.4f} ({difference.low:+.4f} to {difference.high:+.4f})")
print(f"p = {test.p_value}, {test.num_shoppers} shoppers")
