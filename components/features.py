"""Register and materialise features."""

from kfp.dsl import Artifact, Dataset, Input, Output

from components._base import component


@component
def features(
    clean: Input[Dataset],
    store: Output[Artifact],
    training_features: Output[Dataset],
    version: str,
    read_ms: int,
    offline: str,
    status: str,
) -> None:
    """Fill a feature store from clean tables, ask it for shoppers' features as they were known when
    training ended, and hand it over to the store that serving reads."""
    from components.environment import shared_store
    from components.progress import print_note, print_progress
    from coterie.workflow.status import recorded
    from feature_repo.materialise import materialise

    with recorded(status, version, "features"):
        shared = shared_store(offline) if offline else None
        filled = materialise(
            clean.path, store.path, training_features.path, version, read_ms, shared, print_progress
        )
    if filled.handed:
        print_note(filled.handed.in_words())
    store.metadata.update(shoppers=filled.shoppers, events=filled.events, ties=filled.ties)
