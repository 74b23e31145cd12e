"""A query string that was read before is answered as if it were read again."""

import pytest
from small_shop import item

from serving.api import remembering_routes, routes
from serving.api.remembering_routes import RememberingRoute

QUERIES = (
    "",
    "k=3&explain=false",
    "k=3&explain=true&brand=Acme",
    "category=Home/Kitchen&category=Books&price_max=60",
    f"surface=product&item_id={item(4)}",
    f"exclude={item(0)}&exclude={item(4)}&k=5",
)
WRONG = ("k=0", "k=3&k=4", "explian=true", "price_min=9&price_max=1", "surface=product", "after=x")
USERS = ("ana", "max", "nobody", "a%2Fb%20c", "Zoe%CC%88", "12.0")


@pytest.fixture(autouse=True)
def forget():
    """Routes of all apps of this process are the same, and what they read before is known."""

    def forgotten():
        for route in routes.api.routes:
            if isinstance(route, RememberingRoute):
                route.known.clear()

    forgotten()
    return forgotten


def answered(client, user, query):
    response = client.get(f"/v1/users/{user}/recommendations?{query}")
    body = response.json()
    for varies in ("list_id", "request_id"):
        body.pop(varies, None)
    return response.status_code, body


@pytest.fixture
def looked_at(client, monkeypatch):
    """How often the checks were asked."""
    seen = []
    remember = routes.remember
    monkeypatch.setattr(routes, "remember", lambda *told: seen.append(1) or remember(*told))
    return seen


@pytest.mark.parametrize("query", [*QUERIES, *WRONG])
def test_the_second_answer_is_the_first(make_client, query, forget):
    once = {}
    for user in USERS:
        forget()
        once[user] = answered(make_client(), user, query)
    forget()
    client = make_client()
    for _ in range(2):
        assert {user: answered(client, user, query) for user in USERS} == once
    assert once["Zoe%CC%88"][1].get("user_id") in ("Zoë", None)


def test_a_query_is_read_once_whoever_asks(client, looked_at):
    for user in USERS:
        assert answered(client, user, "k=2")[0] == 200
    assert len(looked_at) == 1
    for _ in range(3):
        assert answered(client, "ana", "k=0")[0] == 422


@pytest.mark.parametrize("user", ["NULL", "%01", "x" * 300, "%20"])
def test_what_is_no_id_is_refused_in_the_same_words(make_client, user, forget):
    told = answered(make_client(), user, "k=2")
    forget()
    client = make_client()
    assert answered(client, "ana", "k=2")[0] == 200
    assert answered(client, user, "k=2") == told
    assert told[0] == 422


def test_each_shopper_goes_on_with_a_list_of_their_own(client):
    pages = {user: answered(client, user, "k=2&explain=false")[1]["next"] for user in USERS[:2]}
    other = f"k=2&explain=false&after={pages['max']}"
    for _ in range(2):
        assert answered(client, "max", other)[0] == 200
        status, body = answered(client, "ana", other)
        assert status == 422
        assert "another list" in body["detail"]


def test_only_so_many_are_remembered(client, looked_at):
    for number in range(remembering_routes.MOST + 1):
        answered(client, "nobody", f"k=1&explain=false&price_max={number + 1}")
    before = len(looked_at)
    answered(client, "nobody", "k=1&explain=false&price_max=2")
    assert len(looked_at) == before
    answered(client, "nobody", "k=1&explain=false&price_max=1")
    long = f"k=1&exclude={'x' * remembering_routes.LONGEST}"
    for _ in range(2):
        answered(client, "nobody", long)
    assert len(looked_at) == before + 3
