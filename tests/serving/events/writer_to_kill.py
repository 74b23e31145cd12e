"""Writers of events and changes that are killed at any moment, again and again: what they left.

``python writer_to_kill.py LOG PASSWORD KILLS`` prints JSON: entries that were acknowledged, those
in the log, and whether the rows are what the changes in the log make of them.
"""

import json
import os
import random
import signal
import sys
import time
from itertools import count

from coterie.data.changes import Change, states_of
from coterie.schema import EventKind
from serving.events.event import Event, entry_id
from serving.events.open import open_log, open_rows
from serving.events.redis_log import RedisLog  # loaded once, and not by every writer


def entries(turn, number):
    """One of each kind; many change the same rows, some come late, one is there twice."""
    name = f"{turn}-{number}"
    patch = Change(name, "items", (f"i{number % 5}",), 1000 + number, None, {"price": number})
    return [
        Event(name, f"u{number % 3}", "i1", EventKind.VIEW, number),
        patch,
        patch,
        Change(name, "ties", (f"u{number % 3}", "z", "friend"), 2000 - number, number % 2 == 0),
        Change(name, "users", (f"u{number % 3}",), 7, True, {"may_be_named": number % 2 == 0}),
    ]


def write_until_killed(place, password, turn, said):
    log = RedisLog(place, password) if place.startswith("redis") else open_log(place, password)
    for number in count():
        log.append(entries(turn, number))
        os.write(said, f"{number}\n".encode())


def main(place, password, kills):
    chance, acknowledged = random.Random(5), []
    for turn in range(kills):
        heard, said = os.pipe()
        writer = os.fork()
        if not writer:
            os.close(heard)
            write_until_killed(place, password, turn, said)
        os.close(said)
        text = os.read(heard, 65536)  # until the first is acknowledged
        time.sleep(chance.random() * 0.02)
        os.kill(writer, signal.SIGKILL)
        os.waitpid(writer, 0)
        while more := os.read(heard, 65536):
            text += more
        os.close(heard)
        written = [entries(turn, int(number)) for number in text.split()]
        acknowledged += [entry_id(entry) for one in written for entry in one]
    log, rows = open_log(place, password), open_rows(place, password)
    batch = log.unexported(1_000_000)
    states, found = states_of(batch.changes), rows.since(0)
    ties = {
        (owner, *rest): state
        for owner in ("u0", "u1", "u2", "z")
        for rest, state in rows.ties_of(owner).items()
    }
    print(
        json.dumps(
            {
                "acknowledged": acknowledged,
                "kept": [entry_id(entry) for entry in batch.entries],
                "items": dict(found.items) == {key[0]: s for key, s in states["items"].items()},
                "users": dict(found.users) == {key[0]: s for key, s in states["users"].items()},
                "ties": ties == states["ties"],
                "pending": log.count_unpushed() == len(batch.events),
            }
        )
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
