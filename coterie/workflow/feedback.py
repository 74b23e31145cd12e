"""What lists showed, put beside the items that models learn of."""

from dataclasses import replace
from typing import Final

import numpy as np
import pyarrow as pa

from coterie.data.vocab import Vocab
from coterie.errors import BadInputError
from coterie.impressions.table import read_impressions
from coterie.models.exposure import EXPOSURE
from coterie.offpolicy.feedback import examination, exposure
from coterie.offpolicy.impressions import HOUR_MS, followed, lists_of
from coterie.schema import EventKind
from coterie.workflow.shop import CleanShop

PLACES: Final = 20
WINDOW_MS: Final = 24 * HOUR_MS


def with_exposure(shop: CleanShop, log: str, surface: str = "home") -> CleanShop:
    """Say of each item how often lists showed it where shoppers look, before the test part.

    Args:
        shop: With its split.
        log: Folder of impressions.
        surface: Lists of this place in the shop.

    Raises:
        BadInputError: There are no impressions of that time, or none was clicked.
        UnavailableError: The store did not answer.
    """
    dataset, split = shop.dataset, shop.split
    assert split.items is not None
    known = split.for_test().interactions
    shown = lists_of(read_impressions(log), PLACES, surface)
    end_ms = int(known.ts_ms.max())
    shown = shown.take(shown.ts_ms <= end_ms)
    if not len(shown.ts_ms):
        raise BadInputError(
            "the log holds no list of before the test part: train without it until it does"
        )
    events = dataset.events.take(dataset.events.ts_ms <= end_ms)
    clicked = followed(shown, dataset.users, dataset.items, events, EventKind.CLICK, WINDOW_MS)
    done = np.bincount(known.item_idx, minlength=split.num_items).astype(np.float64)
    rows = Vocab.of(split.items["item_id"]).rows(shown.item_ids)
    seen = exposure(shown, rows, examination(shown.item, clicked), done)
    items = split.items.append_column(EXPOSURE, pa.array(seen, pa.float64()))
    return replace(shop, split=replace(split, items=items))
