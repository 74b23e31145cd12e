"""A shopper's taste in words, over HTTP: of their own events, and gone with them."""

from asking import event, post
from small_shop import item


def taste(client, user="ana", **headers):
    answer = client.get(f"/v1/users/{user}/taste", headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Vary"] == "Accept-Language"
    return answer.json()["statements"]


def test_it_says_what_was_chosen_and_names_the_own_items_it_stands_on(client):
    kitchen = [item(0), item(4), item(12)]
    category, brand = taste(client)
    assert category == {
        "kind": "category",
        "sentence": "You chose 3 items from Home/Kitchen",
        "value": "Home/Kitchen",
        "item_ids": kitchen,
    }
    assert (brand["sentence"], brand["item_ids"]) == ("You chose 3 items by Acme", kitchen)


def test_it_is_said_in_the_readers_language(client):
    assert taste(client, **{"Accept-Language": "zh"})[0]["sentence"] == (
        "您选过 3 件“Home/Kitchen”商品"
    )


def test_prices_come_with_the_fourth_item_and_what_was_turned_down_is_not_chosen(client):
    against = [event(f"no{row}", "ana", item(row), "dislike") for row in (1, 5)]
    assert post(client, event("e1", "ana", item(8)), *against).status_code == 200
    found = {one["kind"]: one for one in taste(client)}
    assert found["category"]["sentence"] == "You chose 4 items from Home/Kitchen"
    assert found["price"]["sentence"] == "Half of what you chose costs 8.00 to 14.00"
    assert found["turned_down"]["sentence"] == "You did not want 2 items from Sports/Climbing"
    assert found["turned_down"]["item_ids"] == [item(1), item(5)]
    assert not {item(1), item(5)} & set(found["brand"]["item_ids"])


def test_friends_and_single_items_say_nothing(client):
    assert taste(client, "lou") == []
    assert taste(client, "nobody") == []
    assert post(client, event("e1", "lou", item(3))).status_code == 200
    assert taste(client, "lou") == []


def test_who_is_erased_has_none_from_the_next_request_on(make_client):
    client, other = make_client(), make_client()
    assert taste(client)
    assert client.delete("/v1/users/ana").status_code == 200
    assert taste(client) == taste(other) == []
