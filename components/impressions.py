"""Join what lists showed to what shoppers did with it."""

from kfp.dsl import Dataset, Output

from components._base import component


@component
def impressions(joined: Output[Dataset], source: str, window_s: float, unnamed: bool) -> None:
    """Write one row an item shown, of the tables that serving exports to ``source``, with the
    clicks, purchases and revenue that followed from it within ``window_s``."""
    from coterie.workflow.impressions import join_impressions

    joined.metadata["rows"] = join_impressions(source, joined.path, window_s, unnamed)
