"""Which shoppers a canary's weight takes in."""

import hashlib


def bucket(user_id: str, canary: str) -> float:
    """Hash a shopper to a number from 0 to 1: on the canary as long as its weight is more.

    A hash, so nobody flips between arms as the weight grows; of the canary's digest too, so it is
    not always the same people who meet a new release first.
    """
    key = hashlib.blake2b(f"{canary}/{user_id}".encode("utf-8", "replace"), digest_size=8)
    return int.from_bytes(key.digest(), "big") / 2**64
