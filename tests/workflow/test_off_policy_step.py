"""A shop whose lists are drawn by chance, and a release that is judged by them."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coterie.cli.main import main
from coterie.data.ingest import ingest
from coterie.data.load import load_dataset
from coterie.data.simulate import ShopConfig, simulate
from coterie.errors import BadInputError
from coterie.impressions.table import ShownList, impressions_table
from coterie.offpolicy.estimators import EstimateSettings, Estimator
from coterie.offpolicy.impressions import followed, lists_of
from coterie.offpolicy.targets import conditional_probability
from coterie.offpolicy.weights import ListModel
from coterie.release.gate import Limits
from coterie.schema import EventKind

PLACES, POOL, TEMPERATURE, TIMES = 3, 8, 0.5, 4
SHOP = ShopConfig(num_users=120, num_items=60, num_events=3_000)


class LoggedShop:
    """Clean tables of before and after, a release of before, impressions in between."""

    def __init__(self, home):
        from coterie import workflow
        from coterie.release.bundle import load_release
        from coterie.release.offline import OfflineLists

        self.home, shop = home, simulate(SHOP)
        shop.write(f"{home}/raw")
        ingest(f"{home}/raw", f"{home}/before")
        fit = workflow.FitSettings(config={"loop.max_epochs": 1})
        workflow.fit_challenger(f"{home}/before", f"{home}/model", fit)
        self.release = str(home / "v1")
        workflow.make_release(
            f"{home}/before", f"{home}/model", self.release, "v1", Limits("ndcg@20", -1)
        )
        release, world = load_release(self.release), shop.world
        # The day after: a list is judged by what was known as its day began.
        day = datetime.fromtimestamp(world.end_ms / 1000, UTC).date() + timedelta(days=1)
        now = datetime(day.year, day.month, day.day, 9, tzinfo=UTC)
        midnight = int(now.timestamp() * 1000) - 9 * 3_600_000
        dataset = load_dataset(f"{home}/before")
        users = dataset.users.ids.to_pylist()
        items, score = OfflineLists(release, dataset, midnight).ranked(users, POOL)
        ids = np.array(release.catalogue["item_id"].to_pylist())
        rng = np.random.default_rng(0)
        rows, answers = [], []
        for time in range(TIMES):
            noise = rng.gumbel(size=score.shape) * TEMPERATURE
            order = np.argsort(-(score + noise), axis=1)[:, :PLACES]
            shown = np.take_along_axis(items, order, axis=1)
            chance = conditional_probability(items, score.astype(float), shown, TEMPERATURE)
            at = now + timedelta(hours=3 * time)
            rows.append(_impressions(time, users, ids[shown], chance, at))
            answers.append(world.answer(users, ids[shown].tolist(), rng, at))
        (home / "log").mkdir()
        pq.write_table(pa.concat_tables(rows), home / "log" / "impressions.parquet")
        (home / "after-raw").mkdir()
        for name in ("items", "ties", "users"):
            pq.write_table(
                pq.read_table(f"{home}/raw/{name}.parquet"), f"{home}/after-raw/{name}.parquet"
            )
        events = pq.read_table(f"{home}/raw/events.parquet")
        pq.write_table(
            pa.concat_tables([events, *(one.cast(events.schema) for one in answers)]),
            f"{home}/after-raw/events.parquet",
        )
        ingest(f"{home}/after-raw", f"{home}/after")
        self.clean, self.log = str(home / "after"), str(home / "log")

    def judge(self, **changes):
        from coterie.workflow.off_policy import OffPolicySettings, off_policy

        settings = OffPolicySettings(places=PLACES, temperature=TEMPERATURE, pool=POOL)
        return off_policy(
            self.clean, self.log, self.release, str(self.home / "out"), replace(settings, **changes)
        )


def _impressions(time, users, items, chance, at):
    return impressions_table(
        ShownList(
            list_id=f"l{time}-{n}",
            user_id=str(user),
            shown_ts_ms=int(at.timestamp() * 1000),
            surface="home",
            release="v1",
            rules="",
            experiment="",
            arm="",
            item_ids=tuple(map(str, shown)),
            propensities=tuple(likely),
        )
        for n, (user, shown, likely) in enumerate(
            zip(users, items.tolist(), chance.tolist(), strict=True)
        )
    )


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    return LoggedShop(tmp_path_factory.mktemp("logged"))


def test_the_release_that_was_logged_earns_what_was_earned(shop):
    report = shop.judge(estimate=EstimateSettings(estimator=Estimator.IPS))
    assert report.num_lists == TIMES * report.num_shoppers
    assert report.best.value == pytest.approx(report.shown[0])
    assert report.shown[0] > 0.1
    assert report.best.effective == pytest.approx(report.num_lists)
    assert set(report.estimates) == {f"{m} {e}" for m in ListModel for e in Estimator}
    saved = json.loads((shop.home / "out" / "off_policy.json").read_text())
    assert saved["estimates"]["cascade ips"]["value"] == report.best.value


def test_its_best_lists_are_judged_by_those_that_agree(shop):
    asked = EstimateSettings(ListModel.POSITION, Estimator.SNIPS)
    report = shop.judge(temperature=0.0, estimate=asked)
    assert 20 < report.best.effective < 0.9 * report.num_lists
    assert report.best.low < report.best.value < report.best.high
    asked = EstimateSettings(ListModel.LIST, Estimator.SNIPS)
    with pytest.raises(BadInputError, match="100 are needed: log for longer"):
        shop.judge(temperature=0.0, estimate=asked)


def test_a_log_of_before_a_releases_data_end_is_refused(shop, monkeypatch):
    from coterie.workflow import off_policy as step

    shown = lists_of(pq.read_table(f"{shop.log}/impressions.parquet"), PLACES)
    dataset = load_dataset(shop.clean)
    early = replace(shown, ts_ms=shown.ts_ms - 60 * 86_400_000)
    with pytest.raises(BadInputError, match="it has seen what it would be judged by"):
        step.after_training(dataset, early)
    mixed = early.ts_ms.copy()
    mixed[:5] = shown.ts_ms[:5] + 86_400_000
    kept = step.after_training(dataset, replace(shown, ts_ms=mixed))
    assert (len(kept.ts_ms), kept.dropped) == (5, len(mixed) - 5)


def test_the_command_shows_every_estimate(shop, capsys):
    command = f"evaluate {shop.clean} --off-policy {shop.log} --candidate {shop.release}"
    drawn = f"--places {PLACES} --temperature {TEMPERATURE} --pool {POOL}"
    assert main(f"{command} --out {shop.home}/out {drawn}".split()) in (0, None)
    said = capsys.readouterr().out
    assert "cascade snips *" in said
    assert "as shown" in said
    assert main(f"evaluate {shop.clean} --out x --candidate {shop.release}".split()) == 2
    assert "go together: give both" in capsys.readouterr().err


def test_what_followed_counts_for_the_last_list_that_showed_it(shop):
    dataset = load_dataset(shop.clean)
    hour = 3_600_000
    click = np.flatnonzero(dataset.events.kind == 1)[-1]
    event = dataset.events.take(np.array([click]))
    user = dataset.users.to_ids(event.user_idx)[0]
    item = dataset.items.to_ids(event.item_idx)[0]
    done = int(event.ts_ms[0])
    times = [done - 30 * hour, done - 2 * hour, done - hour, done + hour]
    rows = [
        _impressions(
            n,
            [user],
            np.array([[item, "x", "y"]]),
            np.ones((1, 3)),
            datetime.fromtimestamp(ms / 1000, UTC),
        )
        for n, ms in enumerate(times)
    ]
    shown = lists_of(pa.concat_tables(rows), PLACES)

    def found(hours):
        return followed(
            shown, dataset.users, dataset.items, event, EventKind.CLICK, int(hours * hour)
        )[:, 0].tolist()

    assert found(24) == [0, 0, 1, 0]
    assert found(0.5) == [0, 0, 0, 0]
    at_once = replace(shown, ts_ms=np.where(shown.ts_ms == done - hour, done, shown.ts_ms))
    told = followed(at_once, dataset.users, dataset.items, event, EventKind.CLICK, hour)
    assert told[:, 0].tolist() == [0, 0, 1, 0], "in the same moment counts"


def test_lists_with_gaps_and_later_pages_are_left_out(shop):
    rows = pq.read_table(f"{shop.log}/impressions.parquet").slice(0, 3 * PLACES)
    whole = lists_of(rows, PLACES)
    assert len(whole.ts_ms) == 3
    holed = lists_of(rows.take([0, 1, 2, 3, 5, 7, 8]), PLACES)
    assert (len(holed.ts_ms), holed.dropped) == (1, 2)
    with pytest.raises(BadInputError, match="no list of surface cart"):
        lists_of(rows, PLACES, "cart")
    with pytest.raises(BadInputError, match="none of 1 lists has a first place"):
        lists_of(rows.take([1, 2]), PLACES)


def test_a_backtest_says_what_models_would_have_earned(shop, tmp_path):
    from coterie.evaluation.backtest import render
    from coterie.workflow.backtest import backtest
    from coterie.workflow.off_policy import OffPolicySettings

    asked = EstimateSettings(ListModel.POSITION, Estimator.SNIPS, limits=None)
    settings = OffPolicySettings(places=PLACES, estimate=asked)
    told = shop.clean, str(tmp_path), 1, ("popularity",)
    [week] = backtest(*told, log=shop.log, off_policy=settings)
    found = week.earned["popularity"]
    assert 0 <= found.low < found.value < found.high < 3
    page = render([week])
    assert "What their lists would have earned" in page
    assert f"{found.value:.4f}" in page
    saved = json.loads((tmp_path / "backtest.json").read_text())
    assert saved[0]["earned"]["popularity"]["value"] == found.value
    [week] = backtest(*told, log=shop.log)
    assert not week.earned
    assert "too little overlap" in render([week])
    [week] = backtest(*told)
    assert "would have earned" not in render([week])


def test_a_release_may_be_asked_to_earn_more_than_what_was_shown(shop, tmp_path, monkeypatch):
    from coterie import workflow
    from coterie.offpolicy.overlap import OverlapLimits
    from coterie.workflow import off_policy as step
    from coterie.workflow import releases

    fit = workflow.FitSettings(config={"loop.max_epochs": 1})
    workflow.fit_challenger(shop.clean, f"{tmp_path}/model", fit)
    told = shop.clean, f"{tmp_path}/model"

    def release(name, least, log=shop.log):
        limits = Limits("ndcg@20", -1, least)
        return workflow.make_release(*told, f"{tmp_path}/{name}", name, limits, log=log)

    with pytest.raises(BadInputError, match="give both, or neither"):
        release("none", 0.0, "")
    with pytest.raises(BadInputError, match=r"judge a candidate that is nearer|are needed"):
        release("none", 0.0)
    few = OverlapLimits(min_effective=1, min_covered=0.01)
    asked = EstimateSettings(ListModel.POSITION, Estimator.SNIPS, limits=few)
    settings = step.OffPolicySettings(places=PLACES, temperature=0.0, estimate=asked)
    real = step.gain_of
    monkeypatch.setattr(releases, "gain_of", lambda *given: real(*given, settings))
    with pytest.raises(BadInputError, match=r"no release is made of v2: gain over shown lists"):
        release("v2", 2.0)
    assert not (tmp_path / "v2").exists()
    made = release("v3", -3.0)
    assert made.manifest.limits["min_gain_over_shown"] == -3.0


def test_training_knows_what_lists_showed_before_the_test_part(shop, tmp_path, monkeypatch):
    from coterie.models.exposure import EXPOSURE
    from coterie.workflow import feedback as step
    from coterie.workflow.feedback import with_exposure
    from coterie.workflow.shop import CleanShop

    opened = CleanShop.open(shop.clean)
    end = int(opened.split.for_test().interactions.ts_ms.max())
    rows = pq.read_table(f"{shop.log}/impressions.parquet")
    late = int(np.asarray(rows["shown_ts_ms"]).max())
    # Half of the lists, as if they had been shown two days before what is known ends.
    early = np.asarray(rows["shown_ts_ms"]) - (late - end) - 2 * 86_400_000
    early[len(early) // 2 :] = late + 86_400_000
    rows = rows.set_column(2, "shown_ts_ms", pa.array(early))
    pq.write_table(rows, tmp_path / "log.parquet")
    monkeypatch.setattr(step, "followed", lambda shown, *given: shown.shown.astype(float))
    found = with_exposure(opened, str(tmp_path / "log.parquet"))
    seen = np.asarray(found.split.items[EXPOSURE])
    known = opened.split.for_test().interactions
    done = np.bincount(known.item_idx, minlength=len(seen))
    more = seen - done
    shown = set(rows["item_id"].to_pylist()[: len(early) // 2])
    items = found.split.items["item_id"].to_pylist()
    assert {items[row] for row in np.flatnonzero(more > 1e-9)} == shown
    assert more.sum() == pytest.approx(len(early) // 2, rel=0.05), "places are alike, so clicked"
    late_rows = rows.set_column(2, "shown_ts_ms", pa.array(early * 0 + late + 86_400_000))
    pq.write_table(late_rows, tmp_path / "log.parquet")
    with pytest.raises(BadInputError, match="no list of before the test part"):
        with_exposure(opened, str(tmp_path / "log.parquet"))
