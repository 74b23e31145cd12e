"""Ask a served shop for a list, send it an event, and ask again: ``helm test``."""

import http.client
import json
import os
import socket
import sys
import time
import urllib.error
import urllib.request
import uuid
from typing import Any

USER = "helm-test"
KEY_VARIABLE = "SHOP_KEY"
PATIENCE_S = 60.0
"""Policies take a while to know a pod that has just begun, and a Service its endpoints."""
PAUSE_S = 2.0
PASSING = {502, 503, 504}


def main(address: str, needs_key: bool = False) -> None:
    """Ask; say what came.

    Args:
        address: Of the API.
        needs_key: Whether lists are told to those alone who send a key.

    Raises:
        SystemExit: Nobody answered in time, or an answer is not as it should be.
    """
    ready = ask(f"{address}/readyz")
    print(f"serves release {ready['release']} ({ready['digest'][:12]})")
    if needs_key and not os.environ.get(KEY_VARIABLE):
        print("the secret of keys has no shop-key to ask for lists with: this was all")
        return
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
    # Sent again after an answer was lost, it is there already.
    if receipt["accepted"] + receipt["duplicate"] != 1:
        sys.exit(f"the event was not taken: {receipt}")
    print(f"an event was taken, {'and' if receipt['applied'] else 'but not yet'} applied")
    if not ask(path)["items"]:
        sys.exit(f"{path} gave an empty list after the event")


def ask(url: str, body: Any = None) -> Any:
    """Ask for JSON; a body is posted. Where nobody answers yet, ask again."""
    end = time.monotonic() + PATIENCE_S
    while True:
        try:
            return asked(url, body)
        except urllib.error.HTTPError as error:
            said = f"{url} answered {error.code}: {error.read().decode()[:500]}"
            if error.code not in PASSING:
                sys.exit(said)
        except (OSError, http.client.HTTPException) as error:
            said = f"{url} does not answer: {error}{names_of(error)}"
        if time.monotonic() >= end:
            sys.exit(f"for {PATIENCE_S:.0f} s: {said}")
        print(f"{said}; asking again", flush=True)
        time.sleep(PAUSE_S)


def asked(url: str, body: Any) -> Any:
    """One request.

    Raises:
        OSError: No answer, or one that is an error.
    """
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    if key := os.environ.get(KEY_VARIABLE):
        headers["Authorization"] = f"Bearer {key}"
    request = urllib.request.Request(url, data, headers)  # noqa: S310 - the chart's own address
    with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
        return json.load(answer)


def names_of(error: Exception) -> str:
    """Say what to look at where a name does not resolve."""
    if isinstance(getattr(error, "reason", error), socket.gaierror):
        return "; where no name resolves, networkPolicy.dns has to name who answers for them"
    return ""


if __name__ == "__main__":
    main(sys.argv[-1], "--needs-key" in sys.argv)
