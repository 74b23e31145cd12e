"""``publish_faulty_release.py SOURCE VERSION STORE``: publish a release that is bad unseen.

Its digests are right, but what is known of shoppers makes no difference to their lists.
"""

import json
import sys
import tempfile

from coterie.release.bundle import ReleaseContent, load_release, write_release
from coterie.release.store import ReleaseStore


def main(source: str, version: str, store: str) -> None:
    """Write it, and say what it is."""
    good = load_release(source)
    rows = len(good.popularity)
    # One row an item, so all that is learned of items, but not their popularity.
    bad = {n: t * 0 if t.ndim == 2 and len(t) == rows else t for n, t in good.parameters.items()}
    with tempfile.TemporaryDirectory() as folder:
        content = ReleaseContent(
            version,
            bad,
            good.catalogue,
            good.popularity,
            dict(good.manifest.metrics),
            good.manifest.data_fingerprint,
            dict(good.manifest.limits),
        )
        write_release(f"{folder}/bad", content)
        ReleaseStore(store).publish(f"{folder}/bad")
    digest = ReleaseStore(store).get(version).digest
    print(json.dumps({"version": version, "digest": digest}))


if __name__ == "__main__":
    main(*sys.argv[1:])
