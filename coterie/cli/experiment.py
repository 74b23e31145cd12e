"""``coterie experiment``: asks the app that serves a shop, or judges by a folder of tables."""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any, Final

from rich.console import Console

from coterie.cli import experiment_view as view
from coterie.cli import show
from coterie.cli.rollout import token_of, who_of
from coterie.rollout.api import URL, URL_VARIABLE, RolloutApi

PATH: Final = "/v1/admin/experiments"


def start(options: argparse.Namespace) -> None:
    """Begin an experiment."""
    body: dict[str, Any] = {
        "name": options.name,
        "metric": options.metric,
        "guardrails": [one for one in options.guardrail.split(",") if one],
        "unit": options.by,
        "window_s": options.window_days * 86_400.0,
        "alpha": options.alpha,
        "reason": options.reason,
        "who": who_of(options.who),
    }
    if options.holdout is None:
        arms = options.interleave or options.arms
        body |= {"arms": arms, "share": options.share, "layer": options.layer}
        body["interleave"] = bool(options.interleave)
    else:
        body["holdout"] = options.holdout
    told = _api(options).post("", body)
    show.say(f"{told['name']} runs on {told['share']:.3g} of the shoppers of layer {told['layer']}")


def status(options: argparse.Namespace) -> None:
    """Show what runs, and what ran."""
    api = _api(options)
    told = api.get(f"/{options.name}") if options.name else api.get()
    if options.json:
        _print(told)
    else:
        Console().print(view.experiments([told] if options.name else told["experiments"]))


def stop(options: argparse.Namespace) -> None:
    """End an experiment."""
    body = {"reason": options.reason, "who": who_of(options.who)}
    told = _api(options).post(f"/{options.name}/stop", body)
    show.say(f"{told['name']} has ended: its shoppers get what is live")


def result(options: argparse.Namespace) -> None:
    """Show what an experiment has found so far."""
    found = _judged(options) if options.source else _api(options).get(f"/{options.name}")["result"]
    if options.json:
        _print(found)
    elif found is None:
        show.say("nothing is known yet: the event consumer judges once a minute")
    else:
        Console().print(view.result(found))


def report(options: argparse.Namespace) -> None:
    """Draw what recommendations earned."""
    from coterie.workflow.earned import write_earned

    found = write_earned(options.source, options.out, int(time.time() * 1000))
    num = len(found["holdouts"])
    show.say(f"The report of {num} holdout{'' if num == 1 else 's'} is in {options.out}")


def _judged(options: argparse.Namespace) -> Any:
    """Judge an experiment by the tables of a folder, which holds its definition too."""
    from coterie.experiments.judging import judge
    from coterie.experiments.outcomes import read_exported_events
    from coterie.experiments.store import ExperimentStore
    from coterie.impressions.table import read_impressions

    source, now_ms = options.source.rstrip("/"), int(time.time() * 1000)
    store = ExperimentStore(f"{source}/experiments")
    found = store.find(options.name)
    impressions, events = read_impressions(source, found.started_ms), read_exported_events(source)
    # Without a file they were of each moment, and are known online alone.
    frozen = store.communities(found.communities) if found.communities else None
    of = None if frozen is None else lambda _, people: frozen.find(people.tolist())
    return judge(found, impressions, events, now_ms, of)


def _api(options: argparse.Namespace) -> RolloutApi:
    url = options.url or os.environ.get(URL_VARIABLE) or URL
    return RolloutApi(url, token_of(options.token_file), PATH)


def _print(content: Any) -> None:
    sys.stdout.write(json.dumps(content, indent=2) + "\n")


ACTIONS: Final[dict[str, Callable[[argparse.Namespace], None]]] = {
    "start": start,
    "status": status,
    "stop": stop,
    "result": result,
    "report": report,
}
