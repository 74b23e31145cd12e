"""A shop that holds people out of recommendations, whose effect is planted."""

import numpy as np
import pyarrow as pa

from coterie.experiments.definition import HOLDOUT, Experiment, ExperimentArm
from coterie.impressions.table import ShownList, impressions_table
from coterie.schema import EVENTS, EventKind

NOW_MS, MINUTE_MS, DAY_MS = 1_780_000_000_000, 60_000, 86_400_000
ARMS = ExperimentArm("popular", popular=True), ExperimentArm("recommended")
HELD = Experiment(
    "worth", ARMS, layer=HOLDOUT, share=1.0, started_ms=NOW_MS, reason="what lists are worth"
)
SHOPPERS = 600


def held_shop():
    """Give impressions and events.

    Who has recommendations comes twice and buys, of what friends had to a quarter, a thing that is
    new to them; one in four another one, and half what they viewed before. Who is held out comes
    three times, and one in three buys what they viewed before.
    """
    rng, lists, events = np.random.default_rng(3), [], []

    def buy(n, item, at, value, list_id=None, kind=EventKind.PURCHASE):
        row = {"event_id": f"e{len(events)}", "user_id": f"u{n}", "item_id": item, "ts": at}
        events.append({**row, "event": str(kind), "value": value, "list_id": list_id})

    for n in range(SHOPPERS):
        arm, begins = ARMS[n % 2].name, NOW_MS + n * MINUTE_MS
        buy(n, "known", begins - DAY_MS, None, kind=EventKind.VIEW)
        for visit in range(2 if n % 2 else 3):
            for page in range(2):  # ten minutes apart: one session
                at = begins + visit * DAY_MS + page * 10 * MINUTE_MS
                items, friends = ("new", f"other-{page}"), (0.25, 0.0)
                lists.append(
                    ShownList(
                        f"l{n}-{visit}-{page}", f"u{n}", at, "home", "v1", "", "worth", arm, items,
                        (1.0, 1.0), by_friends=friends,
                    )
                )  # fmt: skip
        if n % 2:
            buy(n, "new", begins + MINUTE_MS, 30.0, f"l{n}-0-0")
            if rng.random() < 0.5:
                buy(n, "known", begins + 5 * MINUTE_MS, 10.0)
            if n % 8 == 1:
                buy(n, "other-0", begins + 6 * MINUTE_MS, 2.0)
        elif rng.random() < 1 / 3:
            buy(n, "known", begins + MINUTE_MS, 9.0)
        buy(n, "new", begins + 20 * DAY_MS, 99.0)  # after the window: nobody's
    table = pa.table({name: [e[name] for e in events] for name in events[0]})
    times = table["ts"].cast(pa.timestamp("ms", "UTC")).cast(EVENTS.arrow.field("ts").type)
    table = table.set_column(table.column_names.index("ts"), "ts", times)
    return impressions_table(lists), table
