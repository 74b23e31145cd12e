"""Where shoppers stand in the network, in the store that other programs of the shop read."""

import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from coterie.data.people_key import agree_on_key
from coterie.data.suppressed import Suppressed
from coterie.errors import BadInputError
from coterie.network.columns import PEOPLE_FILE
from coterie.schema import SHOPPER_NETWORK_VIEW
from feature_repo import people_columns
from feature_repo.handover import SharedStore
from feature_repo.network import COLUMNS, HandedNetwork, hand_over_network
from feature_repo.people_columns import people_rows
from serving.events.open import open_log
from serving.features.erased_rows import erased_rows
from serving.features.online_store import FeastFeatures
from serving.features.people_columns import read_study

READ_MS = 1_800_000_000_500
ASKED = [f"{SHOPPER_NETWORK_VIEW}:{name}" for name in COLUMNS]


@pytest.fixture
def shared(filled, tmp_path):
    """A store that has shoppers' other features."""
    home = tmp_path / "store"
    shutil.copytree(filled.store, home)
    settings = yaml.safe_load((home / "feature_store.yaml").read_text())
    settings["registry"] = str(home / "registry.db")
    settings["online_store"]["path"] = str(home / "online.db")
    log = f"sqlite://{tmp_path / 'events.sqlite'}"
    return SharedStore(str(home), yaml.safe_dump(settings), log)


@pytest.fixture
def folder(filled, tmp_path):
    """As the network step leaves it."""
    ids = pq.read_table(filled.clean / "users.parquet")["user_id"].to_pylist()[:7]
    return written(tmp_path / "network", ids)


def written(folder, ids):
    folder.mkdir()
    columns = {"user_id": ids, "community": range(len(ids)), "degree": [1] * len(ids)}
    columns |= {"pagerank": [0.5] * len(ids), "core_number": [3] * len(ids)}
    pq.write_table(pa.table({n: pa.array(v) for n, v in columns.items()}), folder / PEOPLE_FILE)
    return folder


def online(shared, *ids):
    with shared.open() as store:
        rows = [{"user_id": one} for one in ids]
        return store.get_online_features(features=ASKED, entity_rows=rows).to_dict()


def ids_of(folder):
    return pq.read_table(folder / PEOPLE_FILE)["user_id"].to_pylist()


def test_columns_go_online_where_that_is_wanted_alone(shared, folder, monkeypatch):
    monkeypatch.setattr(people_columns, "ONLINE_ROWS", 3)
    one, other = ids_of(folder)[0], ids_of(folder)[5]
    assert hand_over_network(str(folder), shared, READ_MS) == HandedNetwork(7, False, False)
    assert online(shared, one)["community"] == [None]
    assert hand_over_network(str(folder), shared, READ_MS, online=True).online
    found = online(shared, one, other, "nobody")
    assert found["community"] == [0, 5, None]
    assert found["pagerank"] == [0.5, 0.5, None]
    assert found["core_number"] == [3, 3, None]


def test_tables_that_were_read_earlier_take_nothing_back(shared, folder, tmp_path):
    hand_over_network(str(folder), shared, READ_MS, online=True)
    last = ids_of(folder)[6]
    older = written(tmp_path / "older", [last])
    assert hand_over_network(str(older), shared, READ_MS - 5_000, online=True).newer
    assert online(shared, last)["community"] == [6]


def test_who_was_erased_is_not_handed_over(folder):
    gone, *left = ids_of(folder)

    marks = Suppressed([Suppressed().mark_for(gone)])
    rows = people_rows(str(folder / PEOPLE_FILE), COLUMNS, READ_MS // 1000, marks)
    assert rows["user_id"].to_pylist() == left


def test_who_is_erased_online_is_erased_from_this_view_too(shared, folder):
    hand_over_network(str(folder), shared, READ_MS, online=True)
    gone, left = ids_of(folder)[:2]
    assert erased_rows(FeastFeatures(shared.offline)).remove(gone)
    assert online(shared, gone, left)["community"] == [None, 1]


def test_who_is_erased_while_rows_go_online_stays_out(shared, folder, monkeypatch):
    monkeypatch.setattr(people_columns, "ONLINE_ROWS", 3)
    log, last = open_log(shared.event_log), ids_of(folder)[6]
    hand_over_network(str(folder), shared, READ_MS)

    def erase(_what, done, _whole):
        if done == 3:
            log.erase(last)
            erased_rows(FeastFeatures(shared.offline)).remove(last)

    hand_over_network(str(folder), shared, READ_MS + 9000, online=True, told=erase)
    log.close()
    assert online(shared, *ids_of(folder)[5:])["community"] == [5, None]


def test_a_person_is_told_where_they_stand(shared, folder):
    first = ids_of(folder)[0]
    assert FeastFeatures(shared.offline).studied(SHOPPER_NETWORK_VIEW, first) == {}
    with pytest.raises(BadInputError, match="run the network step"):
        read_study(shared.offline, SHOPPER_NETWORK_VIEW)
    hand_over_network(str(folder), shared, READ_MS, online=True)
    features = FeastFeatures(shared.offline)
    assert features.studied(SHOPPER_NETWORK_VIEW, first) == {
        "community": 0,
        "pagerank": 0.5,
        "core_number": 3,
    }
    assert features.studied(SHOPPER_NETWORK_VIEW, "nobody") == {}
    whole = read_study(shared.offline, SHOPPER_NETWORK_VIEW)
    assert whole["user_id"].to_pylist() == ids_of(folder)
    assert whole["community"][0].as_py() == 0


def test_people_under_another_key_than_servings_are_not_handed_over(shared, folder):
    open_log(shared.event_log).close()
    agree_on_key(shared.event_log, "", "0a1b2c3d", "serving")
    with pytest.raises(BadInputError, match="own ids in the features to hand over"):
        hand_over_network(str(folder), shared, READ_MS)
