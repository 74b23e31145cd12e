"""What is retrained as shops do it differs from what is live by less than any limit."""

from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from coterie import workflow
from coterie.data.ingest import ingest
from coterie.data.simulate import ShopConfig, simulate
from coterie.release.difference import compare_releases
from coterie.release.gate import Limits
from coterie.rollout.figures import judge_figures, usual_limits

SHOP = ShopConfig(num_users=300, num_items=220, num_events=12_000, unused=0.05)

pytestmark = pytest.mark.slow


def less(folder: Path, out: Path, share: float = 1.0, items: float = 1.0, prices: float = 1.0):
    """A shop's raw tables with the first of its events, some of its items, and other prices."""
    out.mkdir()
    tables = {name: pq.read_table(folder / f"{name}.parquet") for name in ("events", "items")}
    events = tables["events"].sort_by("ts")
    events = events.slice(0, int(share * len(events)))
    ids = tables["items"].column("item_id").to_numpy(zero_copy_only=False)
    kept = np.random.default_rng(3).permutation(ids)[: int(items * len(ids))]
    events = events.filter(pc.is_in(events.column("item_id"), value_set=pc.cast(kept, "string")))
    catalogue = tables["items"].filter(
        pc.is_in(tables["items"].column("item_id"), value_set=pc.cast(kept, "string"))
    )
    place = catalogue.column_names.index("price")
    cheaper = pc.multiply(catalogue.column("price"), prices)
    pq.write_table(events, out / "events.parquet")
    pq.write_table(catalogue.set_column(place, "price", cheaper), out / "items.parquet")
    for name in ("ties", "users"):
        pq.write_table(pq.read_table(folder / f"{name}.parquet"), out / f"{name}.parquet")
    return out


def release(raw: Path, home: Path, **config) -> str:
    clean, model, bundle = (str(home / name) for name in ("clean", "model", "bundle"))
    home.mkdir()
    ingest(str(raw), clean)
    workflow.fit_challenger(clean, model, workflow.FitSettings(config=config))
    workflow.make_release(clean, model, bundle, "v1", Limits(min_gain_over_popularity=-1))
    return bundle


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("raw")
    simulate(SHOP).write(str(folder))
    return folder


@pytest.fixture(scope="module")
def live(raw, tmp_path_factory):
    """Nine tenths of the events, and of the items."""
    home = tmp_path_factory.mktemp("live")
    return release(less(raw, home / "raw", share=0.9, items=0.9), home / "made")


@pytest.mark.parametrize(
    ("change", "config"),
    [
        ({"share": 0.9, "items": 0.9}, {"loop.seed": 5}),
        ({"share": 1.0, "items": 0.9}, {}),
        ({"share": 1.0, "items": 1.0}, {}),
        ({"share": 0.9, "items": 0.9, "prices": 0.7}, {}),
    ],
    ids=["another seed", "a tenth more data", "a tenth more items", "a sale"],
)
def test_a_retrained_release_exceeds_no_limit(raw, live, tmp_path, change, config):
    canary = release(less(raw, tmp_path / "raw", **change), tmp_path / "made", **config)
    figures = compare_releases(lambda: live, lambda: canary)
    judged = judge_figures(figures, dict(usual_limits()))
    assert [one.said for one in judged if one.verdict == "bad"] == []
    found = {one.name: one.value for one in judged}
    # Limits are far away, so that chance does not come near them.
    assert found["friends_share"] > 0.7
    assert found["lists_agree"] > 0.3
    assert found["popularity_kept"] > 0.8
    assert found["items_shown"] > 0.6
