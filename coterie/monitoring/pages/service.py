"""Rate, errors, duration, saturation; and what Ray adds to it on a cluster."""

from typing import Final

from coterie import metric_names
from coterie.monitoring.pages.language import LANGUAGE
from coterie.monitoring.panels import Dashboard, Panel, PanelQuery, Row
from coterie.monitoring.queries import (
    LISTS,
    above,
    below,
    quantile,
    quantiles,
    rate,
    status_share,
)
from coterie.monitoring.rules import (
    AVAILABILITY,
    BEAT_S,
    FAILED_SHARE,
    LATE_EVENTS_S,
    LATE_EXPORT_S,
    MANY_EVENTS,
    QUICK,
    QUICK_S,
    SHOPPERS_ROUTES,
    SLOW_SHARE,
)

SERVICE: Final = Dashboard(
    "service",
    "Coterie / Service",
    "Rate, errors, duration, saturation; the way of an event into features.",
    (
        Row(
            "Objectives",
            (
                Panel(
                    "Available, last 3 days",
                    f"Shoppers' requests that were not answered with 5xx; objective "
                    f"{AVAILABILITY:.1%}. Requests that never reach a replica are not in it: see "
                    "the rows from Ray.",
                    [PanelQuery(f"1 - {FAILED_SHARE}3d", "available")],
                    "percentunit",
                    "stat",
                    below(AVAILABILITY),
                    width=4,
                    height=6,
                ),
                Panel(
                    "Quick, last 3 days",
                    f"Lists that were answered within {QUICK_S * 1000:g} ms; objective "
                    f"{QUICK:.0%}.",
                    [PanelQuery(f"1 - {SLOW_SHARE}3d", "quick")],
                    "percentunit",
                    "stat",
                    below(QUICK),
                    width=4,
                    height=6,
                ),
                Panel(
                    "Budget of failures burns",
                    "How many times faster than evenly over 30 days. An hour over 14.4 pages, as "
                    "do six over 6; a day over 3 or three over 1 are a ticket.",
                    [
                        PanelQuery(f"{FAILED_SHARE}{w} / {1 - AVAILABILITY:.5g}", w)
                        for w in ("1h", "6h", "1d", "3d")
                    ],
                    "none",
                    steps=above(1, 14.4),
                    height=6,
                ),
                Panel(
                    "Budget of slow lists burns",
                    "The same for lists that take longer than they should.",
                    [
                        PanelQuery(f"{SLOW_SHARE}{w} / {1 - QUICK:.5g}", w)
                        for w in ("1h", "6h", "1d", "3d")
                    ],
                    "none",
                    steps=above(1, 14.4),
                    height=6,
                ),
            ),
        ),
        Row(
            "Rate, errors, duration",
            (
                Panel(
                    "Requests by route",
                    "Requests a second. `other` is every path that is not ours.",
                    [PanelQuery(rate(metric_names.HTTP_REQUESTS, "route"), "{{route}}")],
                    "reqps",
                ),
                Panel(
                    "Errors by route",
                    "Share of a route's requests that are answered with 5xx. 503 says that "
                    "something behind the service does not answer.",
                    [PanelQuery(status_share("5xx"), "{{route}}")],
                    "percentunit",
                    steps=above(1 - AVAILABILITY),
                ),
                Panel(
                    "Refused by route",
                    "Share of a route's requests that are answered with 4xx: what callers do "
                    "wrong. A jump after a release of the app is its bug.",
                    [PanelQuery(status_share("4xx"), "{{route}}")],
                    "percentunit",
                ),
                Panel(
                    "Time of a list",
                    "From a request's arrival in the app to the last byte of its answer.",
                    quantiles(metric_names.HTTP_REQUEST_DURATION, LISTS),
                    "s",
                    steps=above(QUICK_S),
                ),
                Panel(
                    "p95 by route",
                    "Of all routes, probes included.",
                    [
                        PanelQuery(
                            quantile(0.95, metric_names.HTTP_REQUEST_DURATION, "route"), "{{route}}"
                        )
                    ],
                    "s",
                ),
                Panel(
                    "Requests by method",
                    "Shoppers' requests alone.",
                    [
                        PanelQuery(
                            rate(metric_names.HTTP_REQUESTS, "method", where=SHOPPERS_ROUTES),
                            "{{method}}",
                        )
                    ],
                    "reqps",
                    stacked=True,
                ),
            ),
        ),
        Row(
            "Where the time goes, and how full it is",
            (
                Panel(
                    "p95 of a list's stages",
                    "Features are the store's time; recommend and explain are ours.",
                    [
                        PanelQuery(
                            quantile(0.95, metric_names.LIST_STAGE_DURATION, "stage"),
                            "{{stage}}",
                        )
                    ],
                    "s",
                    steps=above(QUICK_S),
                ),
                Panel(
                    "p95 of a search's stages",
                    "Encode: the query's vector, which an API elsewhere may make; taste: the "
                    "shopper's scores of all items; find: words and vectors compared.",
                    [
                        PanelQuery(
                            quantile(0.95, metric_names.SEARCH_STAGE_DURATION, "stage"),
                            "{{stage}}",
                        )
                    ],
                    "s",
                    steps=above(QUICK_S),
                ),
                Panel(
                    "Searches",
                    "By what became of them: found; nothing that fits; words alone, since the "
                    "encoder did not answer; shielded, by stable in the canary's place; failed.",
                    [PanelQuery(rate(metric_names.SEARCHES, "outcome"), "{{outcome}}")],
                    "reqps",
                    stacked=True,
                ),
                Panel(
                    "Requests being worked on",
                    "On average, over all replicas (arrivals times duration). A replica works on "
                    "at most COTERIE_MAX_ONGOING at a time, then requests queue.",
                    [PanelQuery(rate(f"{metric_names.HTTP_REQUEST_DURATION}_sum"), "requests")],
                ),
                Panel(
                    "Silence of replicas",
                    "Seconds since a replica of an instance last said that it is alive; each says "
                    "so every second.",
                    [
                        PanelQuery(
                            f"time() - max by (instance) ({metric_names.HEARTBEAT})",
                            "{{instance}}",
                        )
                    ],
                    "s",
                    steps=above(BEAT_S),
                    width=4,
                ),
                Panel(
                    "Instances",
                    "Places that are scraped and have a replica that is alive.",
                    [
                        PanelQuery(
                            "count(time() - max by (instance) "
                            f"({metric_names.HEARTBEAT}) < {BEAT_S})",
                            "instances",
                        )
                    ],
                    "none",
                    "stat",
                    below(1),
                    width=4,
                ),
            ),
        ),
        LANGUAGE,
        Row(
            "Events on their way into features",
            (
                Panel(
                    "Oldest event that waits",
                    "Age of the oldest logged event that the feature store was not told of. Lists "
                    "lag behind shoppers by as much. No event is lost.",
                    [PanelQuery(f"max({metric_names.OLDEST_UNPUSHED})", "oldest")],
                    "s",
                    steps=above(LATE_EVENTS_S),
                    width=6,
                ),
                Panel(
                    "Events that wait",
                    "Logged, and not in the feature store yet.",
                    [PanelQuery(f"max({metric_names.UNPUSHED_EVENTS})", "events")],
                    steps=above(MANY_EVENTS),
                    width=6,
                ),
                Panel(
                    "Time of a push",
                    "From logged events to the feature store's answer, a batch.",
                    quantiles(metric_names.PUSH_DURATION),
                    "s",
                    width=6,
                ),
                Panel(
                    "Pushes that failed",
                    "A second. They are tried again every two seconds.",
                    [PanelQuery(rate(metric_names.PUSH_FAILURES), "failures")],
                    "cps",
                    width=6,
                ),
            ),
        ),
        Row(
            "Events on their way to pipelines",
            (
                Panel(
                    "Oldest event that was not exported",
                    "How long the log has had it. Some minutes are usual: events wait for a file. "
                    "0 where no event consumer runs.",
                    [PanelQuery(f"max({metric_names.OLDEST_UNEXPORTED})", "oldest")],
                    "s",
                    steps=above(LATE_EXPORT_S),
                    width=8,
                ),
                Panel(
                    "Events exported",
                    "A second, on average over some minutes: files are written at once.",
                    [PanelQuery(rate(metric_names.EXPORTED_EVENTS), "events")],
                    "cps",
                    width=8,
                ),
                Panel(
                    "Exports that failed",
                    "A second. They are tried again every two seconds.",
                    [PanelQuery(rate(metric_names.EXPORT_FAILURES), "failures")],
                    "cps",
                    width=8,
                ),
                Panel(
                    "Removed for its age",
                    "In a day, by where it was: events of the log, recent lists that lost entries, "
                    "rows of exports. Nothing where all is kept (COTERIE_KEEP_DAYS, keepDays).",
                    [
                        PanelQuery(
                            f"sum by (where) (increase({metric_names.AGED}[1d]))", "{{where}}"
                        )
                    ],
                    width=16,
                ),
                Panel(
                    "Last look for what is too old",
                    "How long ago all was looked through; once a day where not all is kept.",
                    [PanelQuery(f"time() - (max({metric_names.AGED_PASSED}) > 0)", "ago")],
                    "s",
                    width=8,
                ),
            ),
        ),
        Row(
            "What lists showed, and experiments",
            (
                Panel(
                    "Impressions written",
                    "Items of shown lists a second, on average over some minutes: files are "
                    "written at once. Nothing where none are kept (COTERIE_IMPRESSIONS_SHARE) and "
                    "no experiment runs.",
                    [PanelQuery(rate(metric_names.IMPRESSIONS), "items")],
                    "cps",
                    width=6,
                ),
                Panel(
                    "Bytes of impressions",
                    "A second: what keeping them costs on the disk, or in the bucket.",
                    [PanelQuery(rate(metric_names.IMPRESSION_BYTES), "bytes")],
                    "Bps",
                    width=6,
                ),
                Panel(
                    "Lists that were not kept",
                    "A second. Too many waited to be written, as when the store does not answer.",
                    [PanelQuery(rate(metric_names.IMPRESSIONS_DROPPED), "lists")],
                    "cps",
                    width=6,
                ),
                Panel(
                    "Lists of experiments",
                    "A second, of shoppers who take part in one; and those that an arm's release "
                    "could not make, so that stable did.",
                    [
                        PanelQuery(rate(metric_names.EXPERIMENT_LISTS), "lists"),
                        PanelQuery(rate(metric_names.EXPERIMENT_SHIELDED), "by stable instead"),
                    ],
                    "cps",
                    width=6,
                ),
            ),
        ),
        Row(
            "From Ray (on a cluster only)",
            (
                Panel(
                    "Replicas that are healthy",
                    "By deployment. Empty on a single machine, whose Ray is not scraped.",
                    [
                        PanelQuery(
                            "sum by (deployment) (ray_serve_deployment_replica_healthy)",
                            "{{deployment}}",
                        )
                    ],
                    "none",
                ),
                Panel(
                    "Requests that queue",
                    "Waiting for a replica, by deployment. Over COTERIE_MAX_QUEUED they are "
                    "refused with 503 before the app sees them.",
                    [
                        PanelQuery(
                            "sum by (deployment) (ray_serve_deployment_queued_queries)",
                            "{{deployment}}",
                        )
                    ],
                    "none",
                ),
                Panel(
                    "Requests in replicas",
                    "Being worked on, by deployment.",
                    [
                        PanelQuery(
                            "sum by (deployment) (ray_serve_replica_processing_queries)",
                            "{{deployment}}",
                        )
                    ],
                    "none",
                ),
            ),
        ),
    ),
    span="now-3h",
)
