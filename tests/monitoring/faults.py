"""What each alert is there for: series with the fault, and series that are as they should be.

One table for promtool, which evaluates the rules over series that we write down. In its notation
``a+bxn`` is n further samples that rise by b, one a minute.

Over a long window a ratio is the same after hours as after days, so no test has to last days.
"""

from dataclasses import dataclass, field

HOUR = 60
"""Minutes."""
ROUTE = "/v1/users/{user_id}/recommendations"
PHASES = ("idle", "shadow", "step", "bake", "paused", "inconclusive", "rolling_back", "rolled_back")

Series = dict[str, str]


@dataclass(frozen=True)
class Fault:
    """One alert, on its fault and without it."""

    alert: str
    bad: Series
    at: str
    """Moment at which it has to fire."""
    good: Series = field(default_factory=dict)
    """In their place, without the fault; none: series that are simply fine."""
    labels: dict[str, str] = field(default_factory=dict)
    also: tuple[str, ...] = ()
    """Alerts that rightly fire with it."""
    coarse: bool = False
    """Whether it takes days: then samples are four minutes apart, and rules evaluated hourly."""


def requests(good: float, failed: float, minutes: int) -> Series:
    """Requests a minute, answered and failed."""
    name = "coterie_http_requests_total"
    return {
        f'{name}{{route="{ROUTE}",method="GET",status="2xx"}}': f"0+{good}x{minutes}",
        f'{name}{{route="{ROUTE}",method="GET",status="5xx"}}': f"0+{failed}x{minutes}",
    }


def lists(quick: float, slow: float, minutes: int) -> Series:
    """Lists a minute, within 200 ms and not."""
    name, labels = "coterie_http_request_duration_seconds", f'route="{ROUTE}",method="GET"'
    return {
        f'{name}_bucket{{{labels},le="0.2"}}': f"0+{quick}x{minutes}",
        f'{name}_bucket{{{labels},le="+Inf"}}': f"0+{quick + slow}x{minutes}",
        f"{name}_count{{{labels}}}": f"0+{quick + slow}x{minutes}",
    }


def ages(young: float, old: float, minutes: int) -> Series:
    """Lists a minute of shoppers with an event of this hour, and of this year."""
    name = "coterie_feature_age_seconds_bucket"
    total = young + old
    counts = {"3600": young, "604800": young, "2592000": total, "+Inf": total}
    return {f'{name}{{le="{le}"}}': f"0+{n}x{minutes}" for le, n in counts.items()}


def strangers(unknown: float, lists: float) -> Series:
    """Lists a minute, without any canary, and those of shoppers of whom nothing is known."""
    return {
        'coterie_arm_answers_total{arm="stable"}': f"0+{lists}x180",
        'coterie_arm_strangers_total{arm="stable"}': f"0+{unknown}x180",
    }


def friends(befriended: float, share: float) -> Series:
    """Lists a minute of shoppers with friends, and what these add to their items' scores."""
    return {
        "coterie_befriended_lists_total": f"0+{befriended}x180",
        'coterie_reason_share_total{kind="friend"}': f"0+{share}x180",
        'coterie_reason_share_total{kind="own"}': "0+700x180",
    }


def scores(*lists_a_minute: float, minutes: int) -> Series:
    """By tenth; a tenth without any has no series."""
    return {
        f'coterie_best_score_bin_total{{bin="{n}"}}': f"0+{count}x{minutes}"
        for n, count in enumerate(lists_a_minute)
        if count
    }


def phase(values: str, name: str, before: str = "") -> Series:
    """A rollout in one phase; idle until then, where ``values`` begin later."""
    flat = before or "0x300"
    return {
        f'coterie_rollout_state{{phase="{one}"}}': values if one == name else flat for one in PHASES
    }


def steady(name: str, value: float, minutes: int = 300) -> Series:
    """A gauge that does not move."""
    return {name: f"{value:g}x{minutes}"}


def bad_rows(values: str, minutes: int) -> Series:
    """Rows of events put aside, of a thousand."""
    return {
        'coterie_quarantined_rows{table="events"}': values,
        'coterie_ingested_rows{table="events"}': f"1000x{minutes}",
    }


def pipeline(failure: float | None, success: float | None) -> Series:
    """When a run last failed and last ended well."""
    name = 'coterie_pipeline_last_{}_timestamp_seconds{{pipeline="train"}}'
    times = {"failure": failure, "success": success}
    return {name.format(what): f"{at:g}x60" for what, at in times.items() if at is not None}


CANARY = 'coterie_arm_answers_total{arm="canary"}'
STABLE_MADE = 'coterie_release_created_timestamp_seconds{arm="stable"}'
CANARY_MADE = 'coterie_release_created_timestamp_seconds{arm="canary"}'
STUCK_SHADOW = phase("1x300", "shadow") | steady("coterie_rollout_weight", 0)
MOVING = phase("1x300", "step") | {"coterie_rollout_weight": "0+0.001x300"}
BURNING = "CoterieAvailabilityBurnsSlowly"
SLOWLY = "CoterieLatencyBurnsSlowly"

FAULTS = (
    # 2 % fail for an hour: 20 times the budget's rate.
    Fault(
        "CoterieAvailabilityBurnsFast",
        requests(980, 20, 2 * HOUR),
        "2h",
        requests(999.5, 0.5, 2 * HOUR),
        also=(BURNING,),
    ),
    # .8 % for six hours: 8 times.
    Fault(
        "CoterieAvailabilityBurnsFast",
        requests(992, 8, 7 * HOUR),
        "7h",
        requests(996, 4, 2 * HOUR) | requests(1000, 0, 7 * HOUR),
        also=(BURNING,),
    ),
    # .4 %: 4 times, which is no page.
    Fault(BURNING, requests(996, 4, 3 * HOUR), "3h", requests(999.5, 0.5, 3 * HOUR)),
    # .2 %: twice.
    Fault(BURNING, requests(998, 2, 7 * HOUR), "7h", requests(999.2, 0.8, 7 * HOUR)),
    Fault(
        "CoterieLatencyBurnsFast",
        lists(800, 200, 2 * HOUR),
        "2h",
        lists(995, 5, 2 * HOUR),
        also=(SLOWLY,),
    ),
    Fault(
        "CoterieLatencyBurnsFast",
        lists(920, 80, 7 * HOUR),
        "7h",
        lists(995, 5, 7 * HOUR),
        also=(SLOWLY,),
    ),
    Fault(SLOWLY, lists(960, 40, 3 * HOUR), "3h", lists(995, 5, 3 * HOUR)),
    Fault(SLOWLY, lists(980, 20, 7 * HOUR), "7h", lists(992, 8, 7 * HOUR)),
    # The replicas of one pod fall silent, while another's go on.
    Fault(
        "CoterieHeartbeatLost",
        {
            'coterie_heartbeat_timestamp_seconds{instance="a"}': "0+60x5 300x10",
            'coterie_heartbeat_timestamp_seconds{instance="b"}': "0+60x60",
        },
        "10m",
        {'coterie_heartbeat_timestamp_seconds{instance="a"}': "0+60x60"},
        labels={"instance": "a"},
    ),
    # Nobody is there at all.
    Fault(
        "CoterieHeartbeatLost",
        {"coterie_heartbeat_timestamp_seconds": "0+60x5"},
        "20m",
    ),
    # One replica could not take an edited file; for a minute a file may be half copied.
    Fault(
        "CoterieRulesRefused",
        {
            'coterie_rules_refused{instance="a"}': "0x4 1x20",
            'coterie_rules_refused{instance="b"}': "0x24",
        },
        "10m",
        {'coterie_rules_refused{instance="a"}': "0x4 1 0x20"},
        labels={"instance": "a"},
    ),
    Fault(
        "CoterieEventsLate",
        {"coterie_oldest_unpushed_seconds": "0+60x60"},
        "10m",
        # The store was away for a minute.
        {"coterie_oldest_unpushed_seconds": "0 60 130 0x60", "coterie_unpushed_events": "900x60"},
    ),
    Fault("CoterieEventsLate", steady("coterie_unpushed_events", 20_000, 60), "10m"),
    Fault(
        "CoterieEventsUnexported",
        {"coterie_oldest_unexported_seconds": "0+60x60"},
        "40m",
        # The store was away for ten minutes; then all is exported at once.
        {"coterie_oldest_unexported_seconds": "0+60x15 0x60"},
    ),
    # The online store is empty; and a shop half of whose shoppers are new.
    Fault("CoterieTooManyStrangers", strangers(990, 1000), "30m", strangers(500, 1000)),
    # Too few lists to tell.
    Fault("CoterieTooManyStrangers", strangers(990, 1000), "30m", strangers(5, 5)),
    Fault("CoterieFriendsWithoutShare", friends(100, 0.0), "2h", friends(100, 300.0)),
    # Nobody has friends: none are missed.
    Fault("CoterieFriendsWithoutShare", friends(100, 0.0), "2h", friends(0, 0.0)),
    Fault("CoterieFeaturesStale", ages(10, 90, 120), "2h", ages(90, 10, 120)),
    Fault(
        "CoterieReleaseOld",
        {STABLE_MADE: "3600x6000", CANARY_MADE: "3600x6000"},
        "15d",
        {STABLE_MADE: "1200000x6000", CANARY_MADE: "3600x6000"},
        coarse=True,
    ),
    # Where there is no release, its time is 0, which is not old.
    Fault(
        "CoterieReleaseOld",
        {STABLE_MADE: "3600x6000"},
        "15d",
        {STABLE_MADE: "0x6000"},
        coarse=True,
    ),
    # Half of all lists in one tenth.
    Fault(
        "CoterieScoresDrift",
        scores(50, 10, 10, 5, 5, 5, 5, 5, 5, 0, minutes=2 * HOUR),
        "2h",
        scores(12, 9, 10, 11, 8, 10, 10, 10, 9, 11, minutes=2 * HOUR),
    ),
    # Among few lists nothing is judged.
    Fault(
        "CoterieScoresDrift",
        scores(100, minutes=2 * HOUR),
        "2h",
        scores(2, minutes=2 * HOUR),
    ),
    Fault(
        "CoterieRolledBack",
        phase("0x10 1x300", "rolled_back", "0x310"),
        "20m",
        phase("1x300", "step") | {"coterie_rollout_weight": "0+0.001x300"},
    ),
    # Half a day later it is known.
    Fault(
        "CoterieRolledBack",
        phase("0x10 1x300", "rolling_back", "0x310"),
        "20m",
        phase("1x300", "rolled_back"),
    ),
    Fault("CoterieRolloutStuck", STUCK_SHADOW, "2h", MOVING, labels={"phase": "shadow"}),
    # Each step takes an hour, which is as long as it may.
    Fault(
        "CoterieRolloutStuck",
        phase("1x300", "bake") | steady("coterie_rollout_weight", 1),
        "100m",
        phase("1x300", "step") | {"coterie_rollout_weight": "0.01x60 0.05x60 0.1x60 0.25x60"},
        labels={"phase": "bake"},
    ),
    Fault(
        "CoterieRolloutWaits",
        phase("1x300", "inconclusive"),
        "40m",
        phase("1x20 0x300", "inconclusive"),
        labels={"phase": "inconclusive"},
    ),
    Fault(
        "CoterieRolloutDataUnavailable",
        {"coterie_rollout_data_unavailable_seconds": "0+60x60"},
        "5m",
        {"coterie_rollout_data_unavailable_seconds": "0 30 60 0x60"},
    ),
    Fault(
        "CoterieCanaryShielded",
        {"coterie_shielded_total": "0+5x60", CANARY: "0+100x60"},
        "30m",
        {"coterie_shielded_total": "0x30 1x30", CANARY: "0+100x60"},
    ),
    Fault(
        "CoteriePipelineFailed",
        pipeline(2000, 1000),
        "10m",
        pipeline(1000, 2000),
        labels={"pipeline": "train"},
    ),
    # It never worked.
    Fault(
        "CoteriePipelineFailed",
        pipeline(2000, None),
        "10m",
        pipeline(None, 2000),
        labels={"pipeline": "train"},
    ),
    Fault(
        "CoteriePipelineStuck",
        {"coterie_pipeline_running_seconds": "0+60x500"},
        "8h",
        {"coterie_pipeline_running_seconds": "0+60x120 0x400"},
    ),
    Fault(
        "CoteriePipelineStatusUnread",
        {"coterie_pipeline_status_read_timestamp_seconds": "0+60x5 300x60"},
        "40m",
        {"coterie_pipeline_status_read_timestamp_seconds": "0+60x60"},
    ),
    # From .5 % to 3 %; what was always 3 % is known.
    Fault(
        "CoterieQuarantineGrows",
        bad_rows("5x60 31x60", 120),
        "90m",
        bad_rows("31x120", 120),
        labels={"table": "events"},
    ),
    Fault(
        "CoterieQuarantineGrows",
        bad_rows("50x120", 120),
        "90m",
        bad_rows("1x60 9x60", 120),
        labels={"table": "events"},
    ),
)

ALIVE = "coterie_heartbeat_timestamp_seconds"
