"""What lists do not show: what was had or turned down, until it may be listed again."""

import numpy as np

from coterie.data.dataset import Codes, Interactions, Ints
from coterie.data.polarity import Entries, Mask, had, was_had
from coterie.data.repurchase import Again


def hides(kind: Codes, wanted_ms: Ints, item_idx: Ints, again: Again | None) -> Mask:
    """Tell which entries hide their item from their person, shape (n,).

    Args:
        kind: As ``polarity.Entries`` has it.
        wanted_ms: Likewise.
        item_idx: Their items.
        again: What comes back by now; None: nothing.
    """
    hidden = was_had(kind, wanted_ms)
    return hidden if again is None else hidden & ~again.allows(item_idx, wanted_ms)


def hidden_pairs(events: Interactions, num_items: int, again: Again | None) -> Ints:
    """List all that some events hide: user * num_items + item, ascending."""
    if again is None:
        kept = events.take(had(events))
        return np.unique(kept.user_idx * num_items + kept.item_idx)
    entries = Entries.of(events).collapse()[0]
    entries = entries.take(hides(entries.kind, entries.wanted_ms, entries.item, again))
    return np.sort(entries.person * num_items + entries.item)
