"""A simulated shop that is cleaned in a second: what steps and pipelines are tried on."""

from dataclasses import dataclass
from pathlib import Path

from coterie.data.ingest import IngestConfig, ingest
from coterie.data.pseudonyms import NO_KEYS, PseudonymKeys
from coterie.data.simulate import ShopConfig, simulate
from coterie.release.gate import Limits

CONFIG = ShopConfig(num_users=150, num_items=120, num_events=6_000, unused=0.05)


def write_raw(folder: Path, config: ShopConfig = CONFIG) -> Path:
    """Its tables as a shop would hand them over."""
    simulate(config).write(str(folder))
    return folder


def write_clean(folder: Path) -> Path:
    """Its tables as ``ingest`` leaves them."""
    ingest(str(write_raw(folder / "raw")), str(folder / "clean"))
    return folder / "clean"


@dataclass(frozen=True)
class Trained:
    """Paths of what the steps of a pipeline leave."""

    clean: str
    store: str
    """Of features."""
    bundle: str


def train(
    raw: Path, home: Path, version: str, pseudonyms: PseudonymKeys = NO_KEYS, **config
) -> Trained:
    """Ingest, features, train and release as the pipeline's steps do them, within this process:
    for tests of what comes after, which need no pipeline."""
    from coterie import workflow
    from feature_repo.materialise import materialise

    clean, store, known, model, bundle = (
        str(home / name) for name in ("clean", "store", "known", "model", "bundle")
    )
    ingest(str(raw), clean, IngestConfig(pseudonyms=pseudonyms))
    materialise(clean, store, known, version)
    workflow.fit_challenger(
        clean, model, workflow.FitSettings(config=config), training_features=known
    )
    limits = Limits(min_gain_over_popularity=-1)
    workflow.make_release(clean, model, bundle, version, limits)
    return Trained(clean, store, bundle)
