"""What values state counts on a fresh install and by force; else what is live stays."""

import contextlib
import json
import shutil
import time

import pytest
from cluster_shop import CONFIG, OLD_TEXT, PLAN, ray_service, release, stated
from prometheus_client import CollectorRegistry

from coterie.cluster import __main__ as program
from coterie.cluster.served import read_live
from coterie.cluster.stated import STATED
from coterie.cluster.statements import Statements
from coterie.cluster.store import INSTALL, ClusterRolloutStore
from coterie.errors import UnavailableError
from coterie.rollout.commands import Command, Verb
from coterie.rollout.exported import RolloutMetrics
from coterie.rollout.live import Live, ReleaseRef
from coterie.rollout.plan import Plan
from coterie.rollout.state import Phase, State, Target


class Held:
    """The lease of an install, held."""

    renewed = True

    def __init__(self, uid):
        self.uid = uid

    def __bool__(self):
        return True


class Cluster:
    """What a person does with helm, and turns of the controller that leads."""

    def __init__(self, api, cluster, shop):
        self.api, self.cluster, self.shop = api, cluster, shop
        self.rollout_store = ClusterRolloutStore(cluster, "shop")
        self.revision, self.uid, self.followed = 0, "", []
        self.uninstall()

    def install(self, version="", digest="", **more):
        """Without a version it names no release, so there is no RayService."""
        self.revision, self.uid = 0, f"lease-{time.monotonic_ns()}"
        self.restart()
        if version:
            self.upgrade(version, digest, **more)
        self.revision = self.revision or 1

    def upgrade(self, version, digest="", force=False, folder="", config=CONFIG):
        self.revision += 1
        digest = digest or {"v1": self.shop.old, "v2": self.shop.new}[version]
        folder = folder or f"{self.shop.store}/{version}"
        self.apply(stated(digest, folder, self.revision, force), config)

    def apply(self, statement, config=CONFIG):
        """As helm does: what it does not write stays."""
        made = ray_service(statement, config=config)
        found = self.api.objects.get(("rayservices", "shop"))
        if found:
            annotations = {**found["metadata"]["annotations"], **made["metadata"]["annotations"]}
            metadata = {**found["metadata"], "annotations": annotations}
            made = {**made, "metadata": metadata, "spec": {**found["spec"], **made["spec"]}}
        self.api.put("rayservices", "shop", made)

    def uninstall(self):
        """The rollout store stays."""
        self.api.objects.pop(("rayservices", "shop"), None)
        self.shop.kuberay.handed_over, self.shop.kuberay.serving = "", None

    def restart(self):
        statements = Statements(self.cluster, self.rollout_store, clock=self.shop.clock)
        arms, exported = self.shop.arms(self.cluster), RolloutMetrics(CollectorRegistry())
        held = Held(self.uid)
        self.loop = program.Loop(
            self.rollout_store, arms, statements, self.shop, held, exported, clock=self.shop.clock
        )
        self.loop.follow = self.followed.append
        self.controller = self.loop.controller()

    def turns(self, most=12, until=lambda state: False):
        for _ in range(most):
            self.loop._turn(self.controller)
            checks = [c for c in (self.loop.arms._check,) if c]
            checks += [self.loop.statements._check[1]] if self.loop.statements._check else []
            while not all(check.over for check in checks):
                time.sleep(0.001)
            if until(self.state):
                break
        return self

    def roll_out(self, until=lambda state: state.phase is Phase.PROMOTED):
        command = Command("c1", Verb.START, "ana", "better", self.shop.new, Plan.of(PLAN))
        self.rollout_store.command(command)
        return self.turns(120, until)

    @property
    def state(self):
        return self.rollout_store.read()[0]

    @property
    def history(self):
        return [(line.after, line.who, line.why) for line in self.rollout_store.history()]

    def told(self, reason):
        return [event["message"] for event in self.api.events(reason)]


@pytest.fixture
def helm(api, cluster, shop):
    return Cluster(api, cluster, shop)


def test_a_first_install_serves_what_values_state(helm, shop):
    helm.install("v1")
    helm.turns()
    assert shop.live == Target(shop.old)
    ((after, who, why),) = helm.history
    assert (after, who, helm.state.stable) == (Phase.IDLE, "helm", shop.old)
    assert why.startswith(f"begins: release.digest of revision 1 names {shop.old[:12]}")


def test_before_a_release_is_named_the_controller_is_ready(helm):
    helm.install()
    assert not helm.loop.ready()
    helm.turns(1)
    assert helm.loop.ready()


def test_while_the_first_release_is_being_loaded_the_controller_is_ready(helm, shop):
    shop.kuberay.paused = True
    helm.install("v1")
    for _ in range(5):
        helm.turns(1)
        assert helm.loop.ready()


def test_with_the_api_away_it_is_not_ready(helm, api):
    helm.install("v1")
    helm.turns()
    api.fail("get", "rayservices", 500, times=1e9)
    helm.turns(1)
    assert not helm.loop.ready()


def test_a_forced_release_stays_and_the_log_says_who_wanted_it(helm, shop):
    helm.install("v1")
    helm.turns()
    helm.upgrade("v2", force=True)
    helm.turns(20)
    assert shop.live == Target(shop.new)
    after, who, why = helm.history[-1]
    assert (after, who) == (Phase.PROMOTED, "helm")
    assert f"release.force of revision 2 names {shop.new[:12]}" in why
    assert helm.told("ReleaseTaken")[-1] == why
    assert list(dict.fromkeys(helm.followed)) == [shop.old, shop.new], "the champion follows it"


def test_another_install_serves_what_its_values_state(helm, shop):
    helm.install("v1")
    helm.turns()
    helm.uninstall()
    helm.install("v2")
    helm.turns()
    assert shop.live == Target(shop.new)
    after, _, why = helm.history[-1]
    assert after is Phase.IDLE
    assert why.startswith("installed anew: release.digest of revision 1")
    assert f"instead of {shop.old[:12]}" in why


def test_another_install_may_state_its_release_later(helm, shop):
    helm.install("v1")
    helm.turns()
    helm.uninstall()
    helm.install()
    helm.turns(3)
    helm.upgrade("v2")
    helm.turns()
    assert shop.live == Target(shop.new)


def test_a_rollout_of_an_install_that_is_gone_does_not_go_on_in_the_next(helm, shop):
    helm.install("v1")
    helm.turns()
    helm.roll_out(until=lambda state: state.phase is Phase.STEP)
    helm.uninstall()
    helm.install("v1")
    helm.turns()
    assert (helm.state.phase, helm.state.canary) == (Phase.IDLE, "")
    assert shop.live == Target(shop.old)
    assert not helm.state.quarantine


def test_what_is_live_stays_where_values_name_another_and_it_is_said_once(helm, shop):
    helm.install("v1")
    helm.turns()
    helm.roll_out()
    for _ in range(2):
        helm.upgrade("v1")
        helm.turns(3)
        helm.restart()
    helm.turns(20)
    assert shop.live == Target(shop.new)
    said = helm.told("ReleaseKept")
    assert len(said) == 2
    assert f"release.digest of revision 2 names {shop.old[:12]}" in said[0]
    assert f"{shop.new[:12]} stays" in said[0]
    assert [why for _, _, why in helm.history[-2:]] == said


def test_an_upgrade_in_a_rollout_changes_settings_and_not_the_rollout(helm, shop, api):
    helm.install("v1")
    helm.turns()
    helm.roll_out(until=lambda state: state.phase is Phase.STEP)
    other = json.loads(json.dumps(CONFIG).replace('"num_replicas": 2', '"num_replicas": 5'))
    helm.upgrade("v1", config=other)
    helm.turns(1)
    assert '"num_replicas": 5' in api.objects["rayservices", "shop"]["spec"]["serveConfigV2"]
    helm.turns(120, lambda state: state.phase is Phase.PROMOTED)
    helm.turns(8)
    assert shop.live == Target(shop.new)
    assert '"num_replicas": 5' in api.objects["rayservices", "shop"]["spec"]["serveConfigV2"]


def test_force_left_on_puts_its_release_live_at_each_upgrade_and_not_between(helm, shop):
    helm.install("v1", force=True)
    helm.turns()
    helm.roll_out()
    helm.restart()
    helm.turns()
    assert shop.live == Target(shop.new)
    helm.upgrade("v1", force=True)
    helm.turns()
    assert shop.live == Target(shop.old)


def test_helm_rollback_to_a_revision_that_forced_forces_again_and_to_another_does_not(helm, shop):
    helm.install("v1")
    helm.turns()
    helm.upgrade("v2", force=True)
    forced = json.loads(helm.api.objects["rayservices", "shop"]["metadata"]["annotations"][STATED])
    helm.turns()
    helm.apply(stated(shop.old, f"{shop.store}/v1", 1))
    helm.turns()
    assert shop.live == Target(shop.new)
    helm.upgrade("v1", force=True)
    helm.turns()
    assert shop.live == Target(shop.old)
    helm.apply(forced)
    helm.turns()
    assert shop.live == Target(shop.new)


def test_force_of_what_shoppers_are_on_takes_a_canary_back(helm, shop):
    helm.install("v1")
    helm.turns()
    helm.roll_out(until=lambda state: state.phase is Phase.STEP)
    helm.upgrade("v1", force=True)
    helm.turns(12, lambda state: state.phase is Phase.ROLLED_BACK)
    assert shop.live == Target(shop.old)
    assert "release.force of revision 2" in helm.state.quarantine[shop.new]
    assert set(helm.followed) == {shop.old}, "a canary is no champion"


def test_force_of_a_canary_promotes_it(helm, shop):
    helm.install("v1")
    helm.turns()
    helm.roll_out(until=lambda state: state.phase is Phase.STEP)
    helm.upgrade("v2", force=True)
    helm.turns()
    assert shop.live == Target(shop.new)
    assert helm.history[-1][:2] == (Phase.PROMOTED, "helm")


def test_force_of_a_third_release_ends_a_rollout_that_may_be_started_again(helm, shop, tmp_path):
    """Its folder is outside the store, where nobody but the person knows of it."""
    digest = release(tmp_path, "elsewhere", 3.0)
    helm.install("v1")
    helm.turns()
    helm.roll_out(until=lambda state: state.phase is Phase.STEP)
    helm.upgrade("elsewhere", digest, force=True, folder=f"{tmp_path}/elsewhere")
    helm.turns()
    assert shop.live == Target(digest)
    assert not helm.state.quarantine
    # The rollout store knows the folder, also when values name another and the RayService is made
    # anew.
    helm.upgrade("v1")
    helm.turns(3)
    helm.uninstall()
    helm.apply(stated(shop.old, f"{shop.store}/v1", helm.revision))
    helm.restart()
    helm.turns()
    assert shop.live == Target(digest)


def test_force_takes_a_release_out_of_quarantine_and_says_so(helm, shop):
    helm.install("v1")
    helm.turns()
    helm.rollout_store.write(
        State(stable=shop.old, quarantine={shop.new: "slow"}), helm.rollout_store.read()[1]
    )
    helm.upgrade("v2", force=True)
    helm.turns()
    assert shop.live == Target(shop.new)
    assert not helm.state.quarantine
    assert helm.history[-1][2].endswith("it was in quarantine (slow)")


@pytest.mark.parametrize("force", [False, True])
def test_a_release_with_another_digest_is_not_taken(helm, shop, force):
    helm.install("v1")
    helm.turns()
    helm.upgrade("v2", digest="f" * 64, force=force)
    helm.turns()
    assert shop.live == Target(shop.old)
    if force:
        (said,) = helm.told("ReleaseRefused")
        assert f"v2 holds release {shop.new[:12]}, not ffffffffffff; {shop.old[:12]} stays" in said
        assert helm.history[-1][2] == said


def test_a_rollout_goes_on_while_a_forced_release_cannot_be_read(helm, shop, monkeypatch):
    from coterie.errors import UnavailableError

    helm.install("v1")
    helm.turns()
    helm.roll_out(until=lambda state: state.phase is Phase.SHADOW)

    def fail(folder):
        raise UnavailableError("no route to host")

    monkeypatch.setattr("coterie.release.bundle.load_release", fail)
    helm.upgrade("v1", force=True)
    helm.turns(120, lambda state: state.phase is Phase.BAKE)
    assert helm.state.phase is Phase.BAKE
    monkeypatch.undo()
    helm.turns(20)
    assert shop.live == Target(shop.old)


def test_a_first_release_that_is_not_there_yet_is_served_once_it_is(helm, shop, tmp_path):
    digest = release(tmp_path, "late", 3.0)
    shutil.move(tmp_path / "late", tmp_path / "not-yet")
    helm.install("late", digest, folder=f"{tmp_path}/late")
    helm.turns(5)
    assert shop.kuberay.serving is None
    assert helm.loop.ready()
    (said,) = helm.told("ReleaseRefused")
    assert "nothing is served until it can be read" in said
    shutil.move(tmp_path / "not-yet", tmp_path / "late")
    helm.loop.statements._again_at = None  # a minute later
    helm.turns()
    assert shop.live == Target(digest)


def test_a_rollout_store_of_an_older_version_keeps_what_is_live(helm, shop, api):
    """Helm 3 takes its text away, helm 4 leaves the controller's; what was stated is old news."""
    live = Live(ReleaseRef(shop.new, f"{shop.store}/v2"))
    for text in (None, OLD_TEXT.replace("USER_CONFIG", json.dumps(live.as_json()))):
        api.objects.clear()
        helm.uninstall()
        helm.install("v1")
        helm.rollout_store.write(State(stable=shop.new), 0)
        if text:
            api.objects["rayservices", "shop"]["spec"]["serveConfigV2"] = text
        helm.turns()
        assert shop.live == Target(shop.new)
        assert (
            "v1"
            in json.loads(api.objects["configmaps", "shop-rollout"]["data"][INSTALL])["statement"][
                "folder"
            ]
        )
        assert len(helm.told("ReleaseKept")) == 1


def test_a_rollout_store_that_was_lost_begins_with_what_is_live(helm, shop, api):
    helm.install("v1")
    helm.turns()
    helm.roll_out()
    helm.turns(8)
    del api.objects["configmaps", "shop-rollout"]
    helm.restart()
    helm.turns()
    assert shop.live == Target(shop.new)
    assert helm.history[0] == (
        Phase.IDLE,
        "controller",
        "the rollout store is empty: begins with what is live",
    )


def test_a_lease_that_is_made_again_is_no_other_install(helm, shop):
    helm.install("v1", force=True)
    helm.turns()
    helm.roll_out()
    helm.turns(8)
    helm.uid = "made-again"
    helm.restart()
    helm.turns()
    assert shop.live == Target(shop.new)


def test_rollouts_that_were_off_for_a_while_go_on_with_what_values_put_live(helm, shop, api):
    """Off, the chart told replicas itself, and the Lease went; on again, its text is gone."""
    helm.install("v1")
    helm.turns()
    helm.roll_out()
    service = api.objects["rayservices", "shop"]
    service["metadata"]["annotations"] = {}
    del service["spec"]["serveConfigV2"]
    helm.uid = "on-again"
    helm.revision = 3
    helm.upgrade("v1")
    helm.restart()
    helm.turns()
    assert shop.live == Target(shop.old)
    assert helm.history[-1][2].startswith("installed anew")


class Killed(BaseException):
    """No part of the process outlives it."""


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_any_write_a_forced_release_is_taken_once(helm, shop, api, monkeypatch, after):
    ask, writes = program.Cluster._ask, {"left": 0}

    def killed(self, verb, resource, *args, **more):
        writes["left"] -= verb in ("create", "patch")
        now = verb in ("create", "patch") and writes["left"] == 0
        if now and not after:
            raise Killed
        answer = ask(self, verb, resource, *args, **more)
        if now:
            raise Killed
        return answer

    monkeypatch.setattr(program.Cluster, "_ask", killed)
    for nth in range(1, 7):
        for name in ("shop-rollout", "shop-rollout-commands"):
            api.objects.pop(("configmaps", name), None)
        helm.uninstall()
        helm.install("v1")
        helm.turns(3)
        helm.upgrade("v2", force=True)
        writes["left"] = nth
        with contextlib.suppress(Killed):
            helm.turns(4)
        over = writes["left"] > 0
        helm.restart()
        helm.turns(8)
        assert shop.live == Target(shop.new)
        assert len([why for _, _, why in helm.history if "release.force" in why]) == 1
    assert over, "there are more writes than were tried"


def switched_off(shop, release):
    """As helm writes the RayService where values say ``rollouts.enabled=false``."""
    live = Live(ReleaseRef(release, f"{shop.store}/v2"))
    off = ray_service({}, live)
    off["metadata"] = {"annotations": {}}
    return off


def test_what_values_say_is_live_stays_once_rollouts_are_switched_off(helm, shop, api):
    """The controller is taken away last, so it turns with the new values for a moment."""
    helm.install("v1")
    helm.turns()
    off = switched_off(shop, shop.new)
    api.put("rayservices", "shop", off)
    helm.turns()
    assert read_live(api.objects["rayservices", "shop"]).target == Target(shop.new)
    helm.restart()
    helm.turns()
    assert read_live(api.objects["rayservices", "shop"]).target == Target(shop.new)


def test_a_turn_in_which_rollouts_are_switched_off_writes_nothing(helm, shop, api):
    helm.install("v1")
    helm.turns()
    helm.loop._begun()
    api.put("rayservices", "shop", switched_off(shop, shop.new))
    with pytest.raises(UnavailableError, match="switched off"):
        helm.loop.arms.apply(Target(shop.old))
    assert read_live(api.objects["rayservices", "shop"]).target == Target(shop.new)
