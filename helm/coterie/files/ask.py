"""Ask a served shop for a list, send it an event, and ask again: ``helm test``."""

import json
import sys
import urllib.error
import urllib.request
import uuid
from typing import Any

USER = "helm-test"


def main(address: str) -> None:
    """Ask; say what came.

    Raises:
        SystemExit: An answer is not as it should be.
    """
    ready = ask(f"{address}/readyz")
    print(f"serves release {ready['release']} ({ready['digest'][:12]})")
    path = f"{address}/v1/users/{USER}/recommendations?k=5"
    items = ask(path)["items"]
    if not items:
        sys.exit(f"{path} gave an empty list")
    print(f"a stranger gets {len(items)} items")
    # A view, of a person who is nobody: it trains nothing and stands in nobody's list.
    event = {
        "event_id": f"helm-test-{uuid.uuid4().hex}",
        "user_id": USER,
        "item_id": items[0]["item"]["item_id"],
        "event": "view",
    }
    receipt = ask(f"{address}/v1/events", {"events": [event]})
    if receipt["accepted"] != 1:
        sys.exit(f"the event was not taken: {receipt}")
    print(f"an event was taken, {'and' if receipt['applied'] else 'but not yet'} applied")
    if not ask(path)["items"]:
        sys.exit(f"{path} gave an empty list after the event")


def ask(url: str, body: Any = None) -> Any:
    """The JSON of an answer; a body is posted."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, data, headers)  # noqa: S310 - the chart's own address
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return json.load(answer)
    except urllib.error.HTTPError as error:
        sys.exit(f"{url} answered {error.code}: {error.read().decode()[:500]}")
    except OSError as error:
        sys.exit(f"{url} does not answer: {error}")


if __name__ == "__main__":
    main(sys.argv[1])
