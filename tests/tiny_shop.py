"""A simulated shop that is cleaned in a second: what steps and pipelines are tried on."""

from pathlib import Path

from coterie.data.ingest import ingest
from coterie.data.simulate import ShopConfig, simulate

CONFIG = ShopConfig(num_users=150, num_items=120, num_events=6_000, unused=0.05)


def write_raw(folder: Path) -> Path:
    """Its tables as a shop would hand them over."""
    simulate(CONFIG).write(str(folder))
    return folder


def write_clean(folder: Path) -> Path:
    """Its tables as ``ingest`` leaves them."""
    ingest(str(write_raw(folder / "raw")), str(folder / "clean"))
    return folder / "clean"
