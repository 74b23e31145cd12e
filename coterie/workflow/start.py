"""Where fine-tuning begins: what a release has learned, on the rows of today's items."""

from typing import Final

import torch

from coterie.data.vocab import Vocab
from coterie.errors import BadInputError
from coterie.release.bundle import load_release
from coterie.release.store import ReleaseStore
from coterie.training.loop import Start

CHAMPION: Final = "champion"


def open_start(release: str, items: Vocab) -> Start:
    """Read what a release has learned.

    Args:
        release: Its folder or URL.
        items: Of the shop that is learned from now; other items than the release's may be new.

    Raises:
        BadInputError: The release is damaged, or is of another shop: none of its items is known.
        UnavailableError: The store does not answer.
    """
    found = load_release(release)
    rows = found.items.rows(items.ids)
    if not (rows >= 0).any():
        raise BadInputError(
            f"release {found.version} knows none of the {len(items)} items: is it of this shop?"
        )
    return {**found.parameters, "rows": torch.from_numpy(rows)}


def find_start(store: str, wanted: str = CHAMPION) -> str:
    """Find the folder of the release to go on from.

    Args:
        store: Of releases; empty: there is none.
        wanted: A version; ``champion`` for the one that shoppers get, which the rollout's
            controller keeps, or the newest in a store that no controller looks after; empty for
            none.

    Returns:
        Its folder or URL; empty where the store has no release yet.

    Raises:
        BadInputError: There is no such version.
        UnavailableError: The store does not answer.
    """
    if not store or not wanted:
        return ""
    releases = ReleaseStore(store)
    version = wanted if wanted != CHAMPION else releases.champion() or releases.latest()
    return releases.folder(version) if version else ""
