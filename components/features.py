"""Register and materialise features."""

from kfp.dsl import Artifact, Dataset, Input, Output

from components._base import component


@component
def features(
    clean: Input[Dataset],
    store: Output[Artifact],
    known: Output[Dataset],
    version: str,
    status: str,
) -> None:
    """Fill a feature store from clean tables, and ask it what was known when training ended."""
    from coterie.imports import quick_imports

    with quick_imports():
        import feast  # noqa: F401 - for those who import it next

    from coterie.workflow.status import recorded
    from feature_repo.materialise import materialise

    with recorded(status, version, "features"):
        filled = materialise(clean.path, store.path, known.path, version)
    store.metadata.update(shoppers=filled.shoppers, events=filled.events, ties=filled.ties)
