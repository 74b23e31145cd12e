import numpy as np
import pytest

from coterie.errors import BadInputError
from coterie.offpolicy.estimators import EstimateSettings, Estimator, estimate_value
from coterie.offpolicy.open_bandit import BanditLog
from coterie.offpolicy.rewards import RewardModel

HEAD = ",timestamp,item_id,position,click,propensity_score,user_feature_0,user_feature_1\n"


def write(path, rows):
    path.write_text(HEAD + "".join(f"{n},{row}\n" for n, row in enumerate(rows)))
    return path


def test_rows_of_the_open_bandit_form_are_read_in_the_order_of_time(tmp_path):
    path = write(
        tmp_path / "all.csv",
        [
            "2019-11-24 00:00:35.000000+00:00,3,1,1,0.25,b,x",
            "2019-11-24 00:00:34.762830+00:00,14,3,0,0.0125,a,x",
        ],
    )
    log = BanditLog.read(path)
    assert log.item.tolist() == [14, 3]
    assert log.position.tolist() == [2, 0]
    assert log.click.tolist() == [0, 1]
    assert log.propensity.tolist() == [0.0125, 0.25]
    assert log.context.tolist() == [0, 1]
    assert log.ts_ms[0] == 1574553634762
    assert (log.num_items, log.num_positions) == (15, 3)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["2019-11-24 00:00:34+00:00,1,0,0,0.5,a,x"], "position holds other than whole numbers"),
        (["2019-11-24 00:00:34+00:00,-1,1,0,0.5,a,x"], "item_id holds other than"),
        (["yesterday,1,1,0,0.5,a,x"], "a timestamp is none"),
        (["2019-11-24 00:00:34+00:00,1,1,0,,a,x"], "empty cells"),
        ([], "no rows"),
    ],
)
def test_what_is_no_impression_is_refused(tmp_path, rows, words):
    with pytest.raises(BadInputError, match=words):
        BanditLog.read(write(tmp_path / "all.csv", rows))


def test_a_file_without_propensities_is_refused(tmp_path):
    path = tmp_path / "all.csv"
    path.write_text("timestamp,item_id,position,click\n")
    with pytest.raises(BadInputError, match="lacks propensity_score"):
        BanditLog.read(path)
    with pytest.raises(BadInputError, match="is no CSV file"):
        BanditLog.read(tmp_path / "none.csv")


def test_a_uniform_log_tells_what_another_policy_earns_at_each_place():
    rng = np.random.default_rng(0)
    num, rate = 30_000, np.array([[0.1, 0.3], [0.05, 0.4]])
    item, position = rng.integers(0, 2, num), rng.integers(0, 2, num)
    click = (rng.random(num) < rate[position, item]).astype(float)
    log = BanditLog(np.arange(num), item, position, click, np.full(num, 0.5), item * 0)
    logged = log.lists(np.array([[0.1, 0.9], [0.9, 0.1]]))
    expected = (0.1 * 0.1 + 0.9 * 0.3 + 0.9 * 0.05 + 0.1 * 0.4) / 2
    widths = {}
    for estimator in Estimator:
        found = estimate_value(logged, EstimateSettings(estimator=estimator))
        assert found.low < expected < found.high
        widths[estimator] = found.high - found.low
    assert widths[Estimator.DR] < widths[Estimator.SNIPS]
    with pytest.raises(BadInputError, match="does not fit 1 contexts, 2 positions and 2 items"):
        log.lists(np.ones((1, 2)))


def test_who_is_foreseen_was_not_learned_from():
    shown = np.zeros((10, 1), np.int64)
    reward = np.zeros((10, 1))
    reward[3] = 1.0
    found = RewardModel(shown, reward, np.arange(10), 1).of_items(shown)[:, 0]
    assert found[3] == found.min() == 0.0
    assert found[8] == 0.0, "of the same fold"
    assert (np.delete(found, [3, 8]) > 0.1).all()
