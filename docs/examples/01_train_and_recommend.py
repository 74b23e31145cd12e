"""From events to a list with reasons: no server, no cluster, under a minute.

Run it with: .venv/bin/python docs/examples/01_train_and_recommend.py
"""

import sys
import tempfile

from coterie import workflow
from coterie.data.ingest import ingest
from coterie.data.load import load_dataset
from coterie.data.simulate import ShopConfig, simulate
from coterie.release.offline import OfflineLists

folder = sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp()

# 1. A shop: who bought what, who knows whom. Yours would be a folder of Parquet, CSV or JSON Lines.
simulate(ShopConfig(num_users=300, num_items=150, num_events=12_000)).write(f"{folder}/raw")

# 2. Clean tables. Rows that cannot be right go to quarantine.parquet, with the reason.
report = ingest(f"{folder}/raw", f"{folder}/clean")
print("events kept:", report.tables["events"].kept)

# 3. A challenger: fitted on the past, measured on what came next, beside popularity.
settings = workflow.FitSettings(config={"loop.max_epochs": 10})
challenger = workflow.fit_challenger(f"{folder}/clean", f"{folder}/model", settings)
print(f"NDCG@20 on validation: {challenger.validation['ndcg@20']:.3f}")
print(f"popularity, the same:  {challenger.popularity['ndcg@20']:.3f}")

# 4. A release, if it beats popularity: a folder that is never changed, and checked when it is read.
release = workflow.make_release(f"{folder}/clean", f"{folder}/model", f"{folder}/release", "v1")

# 5. A list. Every score is a sum over events of the shopper and of friends: here are the largest.
shop = OfflineLists(release, load_dataset(f"{folder}/clean"))
for item in shop.recommend("shopper-0042", k=3).items:
    print(f"\n{item.title} (score {item.score:.2f})")
    for reason in item.reasons[:3]:
        whose = reason.user_id or reason.kind
        print(f"  {reason.contribution:+.2f}  {whose}: {reason.event} {reason.title}")
