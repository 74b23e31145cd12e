"""From a chart's settings to a reason that names a friend: pipeline, stores and app, all real."""

import hashlib
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from installed_shop import Chart, Install, NoHelmError, RedisServer, bare, helm
from s3_process import S3Process, s3_server
from shop_in_use import Served, running
from tiny_shop import write_raw
from waiting import wait_until

from pipelines.compile import compile_pipelines

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
QUICK = {
    "settings": '{"loop.max_epochs": 3, "embedding_size": 16}',
    "min_gain": "-1",
    "baselines": "popularity social",
    "repurchase": "never",
    "version": "v1",
}
APPLY = "Job/coterie-features-apply"
FILL = "CronJob/coterie-features-materialise"
LENGTH = 100


@dataclass
class Shop:
    install: Install
    home: Path
    redis: RedisServer
    s3: S3Process
    raw: Path

    def train(self) -> str:
        """The train pipeline as the upload job compiles it, with what its pods would be told."""
        defaults = self.install.pipeline_defaults()
        given = {k: str(v).lower() if isinstance(v, bool) else v for k, v in defaults.items()}
        command = [sys.executable, "-m", "pipelines.local", "--root", str(self.home / "run")]
        done = subprocess.run(
            [*command, *(f"{name}={value}" for name, value in (given | QUICK).items())],
            env=bare() | self.step_environment(),
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def step_environment(self) -> dict[str, str]:
        """Of the step that hands features over, as the upload job compiles the pipeline."""
        defaults = self.install.pipeline_defaults()
        compiled = compile_pipelines(str(self.home / "compiled"), defaults)
        (path,) = (path for path in compiled if path.stem == "train")
        return self.install.step_environment(path, "features")

    def do(self, owner: str) -> str:
        done = self.install.run(owner)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def lose_what_is_online(self) -> None:
        """All features go, as with Redis' volume; the event log, in the same Redis, stays."""
        client = self.redis.client()
        lost = [key for key in client.scan_iter() if not key.startswith(b"{coterie:events}")]
        assert client.delete(*lost) == len(lost) > 100
        client.close()

    def bought(self, user_id: str) -> set[str]:
        """What they bought before there was an install."""
        events = pq.read_table(self.raw / "events.parquet")
        own = pc.and_(pc.equal(events["user_id"], user_id), pc.equal(events["event"], "purchase"))
        return set(events.filter(own)["item_id"].to_pylist())


@pytest.fixture(scope="module")
def chart():
    try:
        return Chart(helm())
    except NoHelmError as error:
        pytest.skip(f"no helm: {error}")


@pytest.fixture(scope="module")
def shop(chart, tmp_path_factory):
    """Installed and trained."""
    home = tmp_path_factory.mktemp("install")
    redis = RedisServer(home / "redis")
    try:
        with s3_server("coterie") as s3:
            install = Install.of(chart, home, redis, s3)
            shop = Shop(install, home, redis, s3, write_raw(home / "raw"))
            s3.files().put(str(shop.raw), "coterie/shop", recursive=True)
            shop.do(APPLY)
            assert "nothing to do" in shop.do(FILL)
            told = shop.train()
            assert "150 recent lists and 150 lists of friends changed online" in told
            manifest = s3.files().cat_file("coterie/releases/v1/manifest.json")
            digest = hashlib.sha256(manifest).hexdigest()
            live = {"release__folder": "s3://coterie/releases/v1", "release__digest": digest}
            shop.install = Install.of(chart, home, redis, s3, **live)
            yield shop
    finally:
        redis.stop()


@pytest.fixture(scope="module")
def app(shop):
    with running([], shop.home, shop.install.serving_environment()) as served:
        assert served.http.get("/v1/users/anybody/recommendations").status_code == 401
        key = shop.install.of_keys("shop-key").decode()
        served.http.headers["Authorization"] = f"Bearer {key}"
        yield served


@pytest.fixture(scope="module")
def shopper(shop, app):
    """Who bought something and has a friend that may be named."""
    ties = pq.read_table(shop.raw / "ties.parquet")["src_user_id"].to_pylist()
    return next(user for user in ties if shop.bought(user) and friends_named(app, user))


def items_of(app: Served, user_id: str) -> set[str]:
    return {one["item"]["item_id"] for one in app.list_of(user_id, LENGTH)["items"]}


def friends_named(app: Served, user_id: str) -> set[str]:
    listed = app.list_of(user_id, LENGTH)["items"]
    return {r["friend"] for one in listed for r in one["reasons"] if r.get("friend")}


def buy(app: Served, user_id: str, item_id: str) -> None:
    """As an app does: told to try again, it sends the same event again."""
    event = {"event_id": f"{user_id}-{item_id}", "user_id": user_id, "item_id": item_id}

    def sent():
        answer = app.http.post("/v1/events", json={"events": [event | {"event": "purchase"}]})
        return None if answer.status_code == 503 else answer

    answer = wait_until(sent, every=0.2)
    assert answer.status_code in (200, 202), answer.text


def test_a_reason_names_a_friend(shop, app, shopper):
    answer = app.list_of(shopper, LENGTH)
    assert answer["source"] == "own"
    ties = pq.read_table(shop.raw / "ties.parquet")
    theirs = ties.filter(pc.equal(ties["src_user_id"], shopper))["dst_user_id"].to_pylist()
    assert friends_named(app, shopper) & set(theirs)
    texts = [r["text"] for one in answer["items"] for r in one["reasons"] if r.get("friend")]
    assert any(friend in text for text in texts for friend in theirs)


def test_what_was_bought_before_the_install_is_not_shown_again(shop, app, shopper):
    assert shop.bought(shopper)
    assert not shop.bought(shopper) & items_of(app, shopper)


LOOK_BACK = """
import sys
import pyarrow.parquet as pq
from components.environment import shared_store
from feature_repo.store import known_at

known = pq.read_table(sys.argv[1])
with shared_store("s3://coterie/features").open() as store:
    found = known_at(store, "v1", known["user_id"].combine_chunks(), int(sys.argv[2]))
assert len(found) == 150 and found.equals(known.cast(found.schema)), "what was known differs"
print("the same")
"""


def test_what_was_known_is_found_in_the_object_store(shop):
    """The run asked its own copy of these files."""
    (known,) = (shop.home / "run").rglob("training_features/for_validation.parquet")
    times = pq.read_table(known)["recent_ts_ms"].to_pylist()
    ended_ms = max(ts for row in times for ts in row)
    done = subprocess.run(
        [sys.executable, "-c", LOOK_BACK, str(known), str(ended_ms)],
        env=bare() | shop.step_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.stdout == "the same\n", done.stderr


def test_events_before_while_and_after_features_come_stay(shop, app, shopper):
    """Redis lost all features: who acts then has a row without their history."""
    before, after, *others = sorted(items_of(app, shopper))
    during = others[:6]  # of many more their friends would have no share worth telling
    shop.lose_what_is_online()
    assert app.list_of(shopper)["source"] == "popular"
    buy(app, shopper, before)
    assert shop.bought(shopper) & items_of(app, shopper), "nobody would notice a lost history"
    filling = threading.Thread(target=shop.do, args=(FILL,))
    filling.start()
    sent = []
    while filling.is_alive() and during:
        sent.append(during.pop())
        buy(app, shopper, sent[-1])
    filling.join()
    buy(app, shopper, after)
    assert len(sent) > 3
    assert not {before, after, *sent} & items_of(app, shopper)
    assert not shop.bought(shopper) & items_of(app, shopper)
    assert friends_named(app, shopper)


def test_a_handover_that_did_not_happen_is_no_peace_and_quiet(shop):
    """Last: it takes the offline rows away."""
    shop.s3.files().rm_file("coterie/features/shopper_ties.parquet")
    done = shop.install.run(FILL)
    assert done.returncode == 1
    assert "s3://coterie/releases holds release v1, but " in done.stderr
    assert "s3://coterie/features/shopper_ties.parquet is missing" in done.stderr
