"""What tests send to the API, and what they read of its answers."""

from small_shop import item

from coterie.data.ids import MAX_ID

ODD = (
    *("a/b", "SKU/12", "/", "//", "%2F", "%", "100%", "a%2Fb", "..", ".", "...", "?q=1", "#top"),
    *("a b", "a+b", "+", "&", "a=b", "a;b", "\\", '"', "'", "<script>", "{user_id}", "~", "*"),
    *("Zoe\u0308", "Zo\u00eb", "\u00c5ngstro\u0308m", "\U0001f98a", "\U0001f469\u200d\U0001f52c"),
    *("x" * MAX_ID, "\U0001f98a" * MAX_ID, "/" * MAX_ID, " x ", "12.0", "12", "-3.00", "0.5"),
    *("\u00a0nbsp\u00a0", "recommendations", "similar", "admin", "rollouts", "v1", "\u2126"),
)
"""Ids that shops may have, and that paths, JSON and texts may get wrong."""


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


def assert_problem(answer, status):
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["request_id"] == answer.headers["x-request-id"]
    assert {"type", "title", "detail", "instance"} <= set(body)
    return body
