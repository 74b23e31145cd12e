"""What shoppers may do, in the store that other programs of the shop read."""

import shutil
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from coterie.behaviour.activity import FEATURES, features_at
from coterie.behaviour.columns import PEOPLE_FILE, activity_table
from coterie.behaviour.numbering import earlier_numbers
from coterie.behaviour.shop_log import DAY_MS
from coterie.data.vocab import Vocab
from coterie.schema import FEATURE_TIMESTAMP, SHOPPER_BEHAVIOUR_VIEW
from feature_repo.behaviour import HandedBehaviour, hand_over_behaviour
from feature_repo.handover import SharedStore
from feature_repo.views import file_of
from serving.features.erased_rows import erased_rows
from serving.features.online_store import FeastFeatures
from tests.behaviour.test_activity import BEGIN, ROWS, log_of

READ_MS = 1_800_000_000_500


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


def test_a_person_is_told_theirs_until_they_are_erased(shared, filled, tmp_path):
    first, second, *_ = pq.read_table(filled.clean / "users.parquet")["user_id"].to_pylist()
    columns = {
        "user_id": [first, second],
        "segment": [0, None],
        "segment_name": ["come often", None],
        "buys_7d": [0.25, None],
        "buys_30d": [0.5, None],
        "value_30d": [12.5, None],
        # A question that could not be answered.
        "leaves_30d": pa.nulls(2, pa.float64()),
    }
    pq.write_table(pa.table(columns), tmp_path / PEOPLE_FILE)
    features = FeastFeatures(shared.offline)
    assert features.studied(SHOPPER_BEHAVIOUR_VIEW, first) == {}
    handed = hand_over_behaviour(str(tmp_path), shared, READ_MS, online=True)
    assert handed == HandedBehaviour(2, True, False)
    # The next run goes on with the numbers of these segments.
    file = file_of(shared.offline, SHOPPER_BEHAVIOUR_VIEW)
    assert earlier_numbers(file, pa.array([second, "new", first])).tolist() == [-1, -1, 0]
    features = FeastFeatures(shared.offline)
    told = {"segment": 0.0, "segment_name": "come often", "buys_7d": 0.25}
    told |= {"buys_30d": 0.5, "value_30d": 12.5}
    assert features.studied(SHOPPER_BEHAVIOUR_VIEW, first) == told
    assert features.studied(SHOPPER_BEHAVIOUR_VIEW, second) == {}
    assert erased_rows(features).remove(first)
    assert features.studied(SHOPPER_BEHAVIOUR_VIEW, first) == {}


class Shop:
    users = Vocab.of(["ana", "bea", "cleo"])


def test_a_feature_store_gives_the_same_of_the_same_moment(tmp_path):
    from feast import FeatureStore, FeatureView, Field, FileSource, RepoConfig
    from feast.types import Float64

    from feature_repo.entities import user

    log = log_of(ROWS)
    moments = tuple(BEGIN + day * DAY_MS for day in (50, 100, 200))
    pq.write_table(activity_table(Shop, log, moments), tmp_path / "activity.parquet")
    view = FeatureView(
        name="activity",
        entities=[user],
        schema=[Field(name=name, dtype=Float64) for name in FEATURES],
        source=FileSource(
            path=str(tmp_path / "activity.parquet"), timestamp_field=FEATURE_TIMESTAMP
        ),
        online=False,
    )
    store = FeatureStore(
        config=RepoConfig(
            project="coterie",
            provider="local",
            registry=str(tmp_path / "registry.db"),
            offline_store={"type": "file"},
            online_store={"type": "sqlite", "path": str(tmp_path / "online.db")},
            entity_key_serialization_version=3,
        )
    )
    store.apply([user, view])
    asked = pd.DataFrame(
        {
            "user_id": ["ana", "bea", "ana", "cleo"],
            FEATURE_TIMESTAMP: [
                datetime.fromtimestamp(moments[m] / 1000, UTC) for m in (1, 1, 2, 2)
            ],
        }
    )
    found = store.get_historical_features(asked, [f"activity:{name}" for name in FEATURES]).to_df()
    found = found.set_index(["user_id", FEATURE_TIMESTAMP])
    for name, when, person, moment in zip(
        asked["user_id"], asked[FEATURE_TIMESTAMP], (0, 1, 0, 2), (1, 1, 2, 2), strict=True
    ):
        told = found.loc[(name, when), list(FEATURES)].to_numpy(np.float64)
        ours = features_at(log, moments[moment])[person]
        assert np.array_equal(told.ravel(), ours, equal_nan=True)
