import pytest
from cluster_shop import Shop, release
from fake_api import FakeApi, serving
from kubernetes import client

from coterie.cluster.api import Cluster


@pytest.fixture
def api():
    api = FakeApi()
    # As the chart makes it, and the rollout store's ConfigMaps, which may be missing.
    api.put("leases", "shop-rollout", {})
    return api


@pytest.fixture
def address(api):
    with serving(api) as address:
        yield address


@pytest.fixture
def connect(address):
    """A client of its own for each controller."""
    made = []

    def connect(timeout_s=20.0):
        settings = client.Configuration()
        settings.host = address
        made.append(Cluster("shop", settings, timeout_s))
        return made[-1]

    yield connect
    for cluster in made:
        cluster.close()


@pytest.fixture
def cluster(connect):
    return connect()


@pytest.fixture(scope="session")
def releases(tmp_path_factory):
    """A store with two releases: its root, and their digests."""
    root = str(tmp_path_factory.mktemp("store"))
    return root, release(root, "v1"), release(root, "v2", 2.0)


@pytest.fixture
def shop(api, releases):
    return Shop(api, *releases)
