"""Alerts, and what they are computed from: which trouble somebody is told of, and when.

Objectives burn as in Google's SRE workbook (chapter 5): an error budget of 30 days, looked at over
a long window, so that one bad minute wakes nobody, and a short one, so that the alert ends when the
trouble does. Everything is aggregated: several replicas, pods and controllers may export.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from coterie import metric_names
from coterie.monitoring.rule_files import Alert, Recording, RuleGroup

LISTS_ROUTE: Final = "/v1/users/{user_id}/recommendations"
SHOPPERS_ROUTES: Final = 'route=~"/v1/.*",route!~"/v1/admin.*"'
"""What shoppers wait for: neither probes nor people who operate."""

AVAILABILITY: Final = 0.999
"""Share of shoppers' requests that are not answered with 5xx."""
QUICK: Final = 0.99
"""Share of lists that are answered within ``QUICK_S``."""
QUICK_S: Final = 0.2
"""A border of the histogram's buckets."""
FEWEST: Final = 10
"""Bad requests in the long window before an objective wakes anybody: three requests an hour, one
of them bad, burn any budget."""
STALE_FEATURES_S: Final = 7 * 86400
STRANGERS: Final = 0.95
"""Share of lists of shoppers of whom nothing is known."""
FRIENDS_SHARE: Final = 0.01
"""Friends' part of all items of a list together; a list of ten has a whole of 10."""
FEWEST_LISTS: Final = 100
"""Before it is said whom lists know, and what they draw on."""
LATE_EVENTS_S: Final = 120
MANY_EVENTS: Final = 10_000
LATE_EXPORT_S: Final = 1800
"""Six times as long as the consumer lets events wait for a file."""
BEAT_S: Final = 60
NO_DATA_S: Final = 120
SHIELDED: Final = 0.01
"""Share of the canary's answers that stable has to give."""
BAD_ROWS: Final = 0.01
"""Share of a table's rows; more than twice as much as in the last week is growth."""
TOO_BAD_ROWS: Final = 0.04
"""Ingest stops at 5 % unless told otherwise."""
LONG_RUN_S: Final = 6 * 3600
OLD_RELEASE_S: Final = 14 * 86400
DRIFT: Final = 0.25
"""Population stability index: under .1 nothing, over .25 a shift that deserves a look."""
FEWEST_SCORES: Final = 1000
"""Lists before drift is judged: among fewer, chance alone makes the index large."""

WINDOWS: Final = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
FAST: Final = (("1h", "5m", 14.4), ("6h", "30m", 6.0))
"""Long window, short window, and how many times the budget's even rate is burnt: these spend 2 % of
it in an hour, or 5 % in six."""
SLOW: Final = (("1d", "2h", 3.0), ("3d", "6h", 1.0))
"""10 % in a day, or in three."""


def failed(window: str) -> str:
    """Ask for the requests of shoppers a second that failed."""
    return f'sum(rate({metric_names.HTTP_REQUESTS}{{status="5xx",{SHOPPERS_ROUTES}}}[{window}]))'


def failed_share(window: str) -> str:
    """Ask for the share of shoppers' requests that failed; no value without requests."""
    asked = f"sum(rate({metric_names.HTTP_REQUESTS}{{{SHOPPERS_ROUTES}}}[{window}]))"
    return f"({failed(window)} or vector(0)) / {asked}"


def slow(window: str) -> str:
    """Ask for the lists a second that took longer than they should."""
    name, route = metric_names.HTTP_REQUEST_DURATION, f'route="{LISTS_ROUTE}"'
    quick = f'sum(rate({name}_bucket{{{route},le="{QUICK_S:g}"}}[{window}]))'
    return f"(sum(rate({name}_count{{{route}}}[{window}])) - {quick})"


def slow_share(window: str) -> str:
    """Ask for the share of lists that took longer than they should; no value without lists."""
    name = f"{metric_names.HTTP_REQUEST_DURATION}_count"
    return f'{slow(window)} / sum(rate({name}{{route="{LISTS_ROUTE}"}}[{window}]))'


FAILED_SHARE: Final = "coterie:requests_failed:ratio_rate"
SLOW_SHARE: Final = "coterie:lists_slow:ratio_rate"
SCORE_SHARE: Final = "coterie:best_score:share6h"
PSI: Final = "coterie:best_score:psi6h"
FEATURE_AGE: Final = "coterie:feature_age_seconds:median1h"
BAD_SHARE: Final = "coterie:quarantined_rows:share"

# A tenth that no list falls in counts as a thousandth: its logarithm would be infinite. One that no
# list ever fell in has no series at all.
_EMPTY_TENTH: Final = 0.456
_CLAMPED: Final = f"clamp_min({SCORE_SHARE}, 0.001)"
_PSI: Final = (
    f"sum(({_CLAMPED} - 0.1) * ln({_CLAMPED} / 0.1)) + (10 - count({SCORE_SHARE})) * {_EMPTY_TENTH}"
)
_STRANGERS: Final = (
    f"sum(rate({metric_names.ARM_STRANGERS}[10m])) / sum(rate({metric_names.ARM_ANSWERS}[10m]))"
)
_SCORE_RATE: Final = f"rate({metric_names.BEST_SCORE_BIN}[6h])"
_SCORES: Final = f"sum(increase({metric_names.BEST_SCORE_BIN}[6h]))"
_BACK: Final = f'{metric_names.ROLLOUT_STATE}{{phase="rolled_back"}}'
_BAD: Final = f"max by (table) ({metric_names.QUARANTINED_ROWS})"


def _burn(share: str, bad: str, budget: float, windows: Sequence[tuple[str, str, float]]) -> str:
    return " or ".join(
        f"({share}{long} > {times * budget:.5g} and {share}{short} > {times * budget:.5g} "
        f"and {bad.replace('WINDOW', long)} * {_SECONDS[long]} > {FEWEST})"
        for long, short, times in windows
    )


_SECONDS: Final = {"1h": 3600, "6h": 21600, "1d": 86400, "3d": 259200}


def _failing(windows: Sequence[tuple[str, str, float]]) -> str:
    return _burn(FAILED_SHARE, failed("WINDOW"), 1 - AVAILABILITY, windows)


def _slowing(windows: Sequence[tuple[str, str, float]]) -> str:
    return _burn(SLOW_SHARE, slow("WINDOW"), 1 - QUICK, windows)


OBJECTIVES: Final = RuleGroup(
    "coterie-objectives",
    (
        *(Recording(f"{FAILED_SHARE}{window}", failed_share(window)) for window in WINDOWS),
        *(Recording(f"{SLOW_SHARE}{window}", slow_share(window)) for window in WINDOWS),
        Alert(
            "CoterieAvailabilityBurnsFast",
            _failing(FAST),
            "page",
            "Shoppers' requests fail: the month's error budget is gone in days",
            "{{ $value | humanizePercentage }} of shoppers' requests are answered with 5xx; "
            "99.9 % should not be.",
        ),
        Alert(
            "CoterieAvailabilityBurnsSlowly",
            _failing(SLOW),
            "ticket",
            "Shoppers' requests fail a little, for long: the month's error budget will not do",
            "{{ $value | humanizePercentage }} of shoppers' requests are answered with 5xx; "
            "99.9 % should not be.",
        ),
        Alert(
            "CoterieLatencyBurnsFast",
            _slowing(FAST),
            "page",
            "Lists are slow: the month's budget of slow lists is gone in days",
            "{{ $value | humanizePercentage }} of lists take longer than 200 ms; 99 % should not.",
        ),
        Alert(
            "CoterieLatencyBurnsSlowly",
            _slowing(SLOW),
            "ticket",
            "Lists are somewhat slow, for long: the month's budget of slow lists will not do",
            "{{ $value | humanizePercentage }} of lists take longer than 200 ms; 99 % should not.",
        ),
    ),
)

SERVING: Final = RuleGroup(
    "coterie-serving",
    (
        Alert(
            "CoterieHeartbeatLost",
            f"time() - max by (instance) ({metric_names.HEARTBEAT}) > {BEAT_S} "
            f"or absent({metric_names.HEARTBEAT})",
            "page",
            "Replicas have stopped counting, or are not scraped",
            "No replica{{ with $labels.instance }} of {{ . }}{{ end }} has said for over a minute "
            "that it is alive, or there is none at all.",
            "2m",
        ),
        Alert(
            "CoterieEventsLate",
            f"max({metric_names.OLDEST_UNPUSHED}) > {LATE_EVENTS_S} "
            f"or max({metric_names.UNPUSHED_EVENTS}) > {MANY_EVENTS}",
            "page",
            "Lists do not know what shoppers just did",
            "Events are logged, but the feature store is not told of them: the oldest waits for "
            f"over {LATE_EVENTS_S} s, or more than {MANY_EVENTS} wait. None is lost.",
            "2m",
        ),
        Alert(
            "CoterieEventsUnexported",
            f"max({metric_names.OLDEST_UNEXPORTED}) > {LATE_EXPORT_S}",
            "page",
            "Events pile up in Redis, whose memory is bounded",
            "The event consumer exports nothing: the oldest event waits for "
            "{{ $value | humanizeDuration }}. None is lost, but a full Redis takes no more.",
            "2m",
        ),
        Recording(
            FEATURE_AGE,
            f"histogram_quantile(0.5, sum by (le) (rate({metric_names.FEATURE_AGE}_bucket[1h])))",
        ),
        Alert(
            "CoterieTooManyStrangers",
            f"{_STRANGERS} > {STRANGERS} "
            f"and sum(increase({metric_names.ARM_ANSWERS}[10m])) > {FEWEST_LISTS}",
            "page",
            "Lists know nobody",
            "Of {{ $value | humanizePercentage }} of shoppers there is no history and no friend: "
            "all get what is popular. Is the online store filled?",
            "5m",
        ),
        Alert(
            "CoterieFriendsWithoutShare",
            f'sum(increase({metric_names.REASON_SHARE}{{kind="friend"}}[1h])) '
            f"/ sum(increase({metric_names.BEFRIENDED_LISTS}[1h])) < {FRIENDS_SHARE} "
            f"and sum(increase({metric_names.BEFRIENDED_LISTS}[1h])) > {FEWEST_LISTS}",
            "ticket",
            "Friends count for nothing",
            "Shoppers have friends with tastes, and no list draws on them: the release does not, "
            "or ties have lost their weight.",
            "30m",
        ),
        Alert(
            "CoterieFeaturesStale",
            f"{FEATURE_AGE} > {STALE_FEATURES_S}",
            "ticket",
            "Lists are made from old events",
            "When their list is made, the newest event of half of the shoppers is older than "
            "{{ $value | humanizeDuration }}.",
            "30m",
        ),
        Alert(
            "CoterieReleaseOld",
            f'time() - max({metric_names.RELEASE_CREATED}{{arm="stable"}} > 0) '
            f"> {OLD_RELEASE_S}",
            "ticket",
            "The release that shoppers are on is old",
            "It was made {{ $value | humanizeDuration }} ago: new items are not in it.",
            "1h",
        ),
        Recording(SCORE_SHARE, f"sum by (bin) ({_SCORE_RATE}) / on () group_left () "
                  f"sum({_SCORE_RATE})"),
        Recording(PSI, _PSI),
        Alert(
            "CoterieScoresDrift",
            f"{PSI} > {DRIFT} and {_SCORES} > {FEWEST_SCORES}",
            "ticket",
            "Scores are not what they were when the release was made",
            "The best scores of lists fall into the tenths of the release's offline scores with a "
            f"population stability index of {{{{ $value | humanize }}}}; over {DRIFT} is a shift.",
            "1h",
        ),
        Alert(
            "CoterieRulesRefused",
            f"max by (instance) ({metric_names.RULES_REFUSED}) == 1",
            "ticket",
            "The shop's rules do not fit",
            "{{ $labels.instance }} keeps the last rules that were good, or none: what was edited "
            "since does not hold.",
            "2m",
        ),
    ),
)  # fmt: skip

ROLLOUT: Final = RuleGroup(
    "coterie-rollout",
    (
        Alert(
            "CoterieRolledBack",
            f"max({_BACK}) == 1 "
            f"unless max(min_over_time({_BACK}[6h])) == 1 "
            f'or max({metric_names.ROLLOUT_STATE}{{phase="rolling_back"}}) == 1',
            "ticket",
            "A release was rolled back",
            "The controller took a canary away and put its release into quarantine. Shoppers are "
            "on the stable release.",
        ),
        Alert(
            "CoterieRolloutStuck",
            f"max by (phase) ({metric_names.ROLLOUT_STATE}"
            '{phase=~"preflight|shadow|step|bake|rolling_back"}) == 1 '
            f"and on () sum(changes({metric_names.ROLLOUT_WEIGHT}[15m])) == 0",
            "ticket",
            "A rollout does not move",
            "It is in {{ $labels.phase }} for over 90 minutes without a change of weight, and has "
            "not ended as inconclusive: the controller is down, or an approval is awaited.",
            "75m",
        ),
        Alert(
            "CoterieRolloutWaits",
            f'max by (phase) ({metric_names.ROLLOUT_STATE}{{phase=~"paused|inconclusive"}}) == 1',
            "ticket",
            "A rollout waits for a person",
            "It is {{ $labels.phase }}: its weight is held until somebody resumes it or rolls it "
            "back.",
            "30m",
        ),
        Alert(
            "CoterieRolloutDataUnavailable",
            f"max({metric_names.ROLLOUT_DATA_UNAVAILABLE}) > {NO_DATA_S}",
            "page",
            "A rollout is blind",
            "The controller has had nothing to decide by for {{ $value | humanizeDuration }}: no "
            "metrics, or lists that know nobody. The weight is held, and a bad canary would hardly "
            "be noticed.",
        ),
        Alert(
            "CoterieCanaryShielded",
            f"sum(rate({metric_names.SHIELDED}[10m])) "
            f'/ sum(rate({metric_names.ARM_ANSWERS}{{arm="canary"}}[10m])) > {SHIELDED} '
            f"and sum(increase({metric_names.SHIELDED}[10m])) > {FEWEST}",
            "ticket",
            "Stable answers for the canary",
            "{{ $value | humanizePercentage }} of what the canary is asked stable has to answer: "
            "it raises, hangs, or makes flawed lists. Shoppers do not see it.",
            "5m",
        ),
    ),
)

PIPELINES: Final = RuleGroup(
    "coterie-pipelines",
    (
        Alert(
            "CoteriePipelineFailed",
            f"max by (pipeline) ({metric_names.PIPELINE_LAST_FAILURE}) "
            f"> max by (pipeline) ({metric_names.PIPELINE_LAST_SUCCESS}) "
            f"or max by (pipeline) ({metric_names.PIPELINE_LAST_FAILURE}) "
            f"unless max by (pipeline) ({metric_names.PIPELINE_LAST_SUCCESS})",
            "ticket",
            "The {{ $labels.pipeline }} pipeline failed",
            "Its last run that ended failed; no new release is made until one succeeds.",
        ),
        Alert(
            "CoteriePipelineStuck",
            f"max({metric_names.PIPELINE_RUNNING}) > {LONG_RUN_S}",
            "ticket",
            "A pipeline runs for very long",
            "The newest run began {{ $value | humanizeDuration }} ago and has not ended.",
        ),
        Alert(
            "CoteriePipelineStatusUnread",
            f"time() - max({metric_names.PIPELINE_STATUS_READ}) > 600",
            "ticket",
            "How pipelines stand is not known",
            "Serving could not read it for over ten minutes: what is shown of pipelines is old.",
            "10m",
        ),
        Recording(BAD_SHARE, f"{_BAD} / ({_BAD} + max by (table) ({metric_names.INGESTED_ROWS}))"),
        Alert(
            "CoterieQuarantineGrows",
            f"{BAD_SHARE} > {TOO_BAD_ROWS} or ({BAD_SHARE} > {BAD_ROWS} "
            f"and {BAD_SHARE} > 2 * min_over_time({BAD_SHARE}[7d]))",
            "ticket",
            "More rows of {{ $labels.table }} are bad than were",
            "{{ $value | humanizePercentage }} of the rows of {{ $labels.table }} were put aside "
            "by the last ingest. Over 5 % it stops.",
        ),
    ),
)

GROUPS: Final = (OBJECTIVES, SERVING, ROLLOUT, PIPELINES)


def alerts() -> Iterator[Alert]:
    """Go through all alerts, in the order of their files."""
    return (rule for group in GROUPS for rule in group.rules if isinstance(rule, Alert))


def recordings() -> Iterator[Recording]:
    """Go through all recordings, in the order of their files."""
    return (rule for group in GROUPS for rule in group.rules if isinstance(rule, Recording))


def expressions() -> Iterator[str]:
    """Go through all that Prometheus is asked, as it stands in the files."""
    return (rule.expr for group in GROUPS for rule in group.rules)
