import pytest

from coterie.data.simulate import ShopConfig, simulate


@pytest.fixture(scope="session")
def shop():
    """The default shop."""
    return simulate(ShopConfig())


@pytest.fixture(scope="session")
def small():
    """A shop that takes no time."""
    return SMALL


SMALL = ShopConfig(num_users=300, num_items=200, num_events=12_000, days=40, seed=11)


@pytest.fixture(scope="session")
def log(shop):
    """The default shop's events with rows for ids and milliseconds since 1970."""
    frame = shop.events.to_pandas()
    frame["user"] = frame.user_id.str.removeprefix("shopper-").astype(int)
    frame["item"] = frame.item_id.str.removeprefix("item-").astype(int)
    frame["ms"] = frame.ts.astype("int64") // 1000
    return frame
