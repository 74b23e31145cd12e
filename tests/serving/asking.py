"""What tests send to the API, and what they read of its answers."""

from small_shop import item


def event(event_id="e1", user_id="ana", item_id=None, kind="purchase", **more):
    return {
        "event_id": event_id,
        "user_id": user_id,
        "item_id": item(20) if item_id is None else item_id,
        "event": kind,
        **more,
    }


def post(client, *events):
    return client.post("/v1/events", json={"events": list(events)})


def receipt(**counts):
    """Of a batch that fits, and is applied."""
    nothing = {"accepted": 0, "duplicate": 0, "refused": [], "unknown_item": [], "shortened": []}
    return {**nothing, "applied": True, **counts}


def list_of(client, user, **query):
    answer = client.get(f"/v1/users/{user}/recommendations", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(listed):
    return [entry["item"]["item_id"] for entry in listed["items"]]
