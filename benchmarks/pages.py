"""Write the benchmarks' figures into the pages that show them: README, models, accuracy, appendix;
into docs/pipelines.md the pipelines' parameters, into docs/content.md what encoders reach and
cost, into docs/search.md what search finds, into docs/rules.md what rules cost, into
docs/discretion.md what it costs that lists draw on fewer friends, into docs/language.md what
guards catch and models cost, into docs/together.md how well friends, groups and people are brought
together, into docs/privacy.md what a bound costs, into docs/performance.md and
docs/operations-sizing.md what the service costs, into docs/rollout.md what catches faults, into
docs/network.md how near influence comes to the truth, into docs/off-policy.md how near
estimates do, and into docs/attacks.md what fake accounts reach.

    python -m benchmarks.pages           # write what has changed
    python -m benchmarks.pages --check   # name what is out of date, and fail

A page marks where a figure stands, in a line or as a block of lines::

    ties add <!-- = lift beidian all -->+22.1%<!-- / --> there

    <!-- = summary -->
    (a table)
    <!-- / -->

What stands between the marks is replaced by what ``benchmarks/results`` or the code says.
Everything else on a page is written by hand, and has no figure of these benchmarks in it. A mark
within a line never begins it: Markdown would take it for a block.
"""

import argparse
import json
import logging
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from benchmarks import (
    accuracy_tables,
    all_lists_table,
    attacks_table,
    behaviour_table,
    content_goals,
    content_models_table,
    content_table,
    discretion_table,
    dislikes_table,
    encoders_table,
    events_table,
    experiments_table,
    exploring_days_table,
    exploring_table,
    faults_table,
    feature_reads_table,
    feedback_table,
    finetuning_table,
    graph_models_table,
    harmless_answers_table,
    harmless_pairs_table,
    language_table,
    list_requests_table,
    lists_table,
    membership_table,
    network_table,
    offpolicy_table,
    planted_table,
    rollout_table,
    rules_table,
    search_table,
    sequences_table,
    serving_table,
    settings_table,
    shadow_quality_chart,
    slower_lists_table,
    start_table,
    synthetic_table,
    thin_histories_table,
    together_table,
    vectors_table,
)
from benchmarks.accuracy_chart import draw_chart
from benchmarks.accuracy_figures import FIGURES
from coterie.errors import BadInputError
from coterie.files import write_atomically
from pipelines.parameters import write_table

ROOT: Final = Path(__file__).parents[1]
RESULTS: Final = Path(__file__).parent / "results"
PAGES: Final = tuple(
    ROOT / name
    for name in (
        "README.md",
        "docs/models.md",
        "docs/accuracy.md",
        "docs/appendix.md",
        "docs/pipelines.md",
        "docs/content.md",
        "docs/search.md",
        "docs/rules.md",
        "docs/discretion.md",
        "docs/language.md",
        "docs/together.md",
        "docs/privacy.md",
        "docs/performance.md",
        "docs/operations-sizing.md",
        "docs/rollout.md",
        "docs/experiments.md",
        "docs/network.md",
        "docs/behaviour.md",
        "docs/off-policy.md",
        "docs/attacks.md",
        "docs/synthetic-data.md",
    )
)
CHART: Final = ROOT / "docs" / "images" / "accuracy.svg"
CURVES: Final = "shadow-quality.svg"
"""Beside the chart."""
PRICE: Final = "bound-price.svg"
"""Likewise."""
LOOPS: Final = "feedback.svg"
"""Likewise."""
MADE_UP: Final = "synthetic-price.svg"
"""Likewise."""
MARKED: Final = re.compile(r"(<!-- = (.+?) -->)(.*?)(<!-- / -->)", re.DOTALL)

Results = Mapping[str, Any]
"""The accuracy benchmark's file, parsed."""

BLOCKS: Final[dict[str, Callable[[Results], str]]] = {
    "summary": accuracy_tables.write_summary,
    "ties": accuracy_tables.write_ties,
    "tables": accuracy_tables.write_tables,
    "tuned settings": lambda _: settings_table.write_tuned(),
    "other settings": lambda _: settings_table.write_others(),
    "pipeline parameters": lambda _: write_table(),
    "content goals": lambda accuracy: content_goals.write_goals(
        {"accuracy": accuracy} | {name: _read(f"{name}.json") for name in content_goals.FILES}
    ),
    "content models": lambda _: content_models_table.write_models(_read("content_models.json")),
    "content known": lambda _: content_models_table.write_known(_read("content_known.json")),
    "content": lambda _: content_table.write_tables(_read("content.json")),
    "planted": lambda _: planted_table.write_table(_read("planted.json")),
    "encoders": lambda _: encoders_table.write_table(_read("encoders.json")),
    "language guards": lambda _: language_table.write_guards(_read("language.json")),
    "language costs": lambda _: language_table.write_costs(_read("language.json")),
    "language million": lambda _: language_table.write_million(
        _read("language.json"), _read("encoders.json"), _read("finetuning.json")
    ),
    "language described": lambda _: language_table.write_described(_read("described.json")),
    "described search": lambda _: language_table.write_found_by_described(
        _read("described_gains.json")
    ),
    "described lists": lambda _: language_table.write_lists_by_described(
        _read("described_gains.json")
    ),
    "taste profiles": lambda _: language_table.write_profiles(_read("taste_profiles.json")),
    "taste alignment": lambda _: language_table.write_alignment(_read("taste_alignment.json")),
    "finetuning": lambda _: finetuning_table.write_finetuning(_read("finetuning.json")),
    "vectors": lambda _: vectors_table.write_table(_read("vectors.json")),
    "search": lambda _: search_table.write_found(_read("search.json")),
    "search with pictures": lambda _: search_table.write_pictures(_read("search.json")),
    "search with taste": lambda _: search_table.write_taste(_read("search.json")),
    "search speed": lambda _: search_table.write_speed(_read("search.json")),
    "search live": lambda _: search_table.write_live(_read("search.json")),
    "experiments alarms": lambda _: experiments_table.write_alarms(_read("experiments.json")),
    "experiments power": lambda _: experiments_table.write_power(_read("experiments.json")),
    "experiments friends": lambda _: experiments_table.write_friends(_read("experiments.json")),
    "experiments cost": lambda _: experiments_table.write_cost(_read("experiments.json")),
    "experiments interleaving": lambda _: experiments_table.write_interleaving(
        _read("experiments.json")
    ),
    "experiments exploring": lambda _: experiments_table.write_exploring(_read("experiments.json")),
    "experiments sessions": lambda _: experiments_table.write_sessions(_read("experiments.json")),
    "experiments run": lambda _: experiments_table.write_run(_read("experiments.json")),
    "exploring": lambda _: exploring_table.write_table(_read("exploring.json")),
    "exploring days": lambda _: exploring_days_table.write_table(_read("exploring_days.json")),
    "feedback": lambda _: feedback_table.write_table(_read("feedback.json")),
    "off-policy shop": lambda _: _off_policy("simulated shop"),
    "off-policy cascade": lambda _: _off_policy("cascade"),
    "off-policy bandit": lambda _: offpolicy_table.write_bandit(_read("offpolicy.json")),
    "off-policy pseudo-inverse": lambda _: offpolicy_table.write_pseudo_inverse(
        _read("offpolicy.json")
    ),
    "shadow quality": lambda _: shadow_quality_chart.write_table(_read("shadow_quality.json")),
    "rules": lambda _: rules_table.write_losses(_read("rules.json")),
    "rules diversity": lambda _: rules_table.write_chosen(_read("rules.json")),
    "rules latency": lambda _: rules_table.write_latency(_read("rules.json")),
    "together invitees": lambda _: together_table.write_invitees(_read("together.json")),
    "together groups": lambda _: together_table.write_groups(_read("together.json")),
    "together people": lambda _: together_table.write_people(_read("together.json")),
    "together sizes": lambda _: together_table.write_sizes(_read("together.json")),
    "discretion": lambda _: discretion_table.write_table(_read("discretion.json")),
    "discretion too few": lambda _: discretion_table.write_too_few(_read("discretion.json")),
    "discretion fits": lambda _: discretion_table.write_fits(_read("discretion.json")),
    "all lists": lambda _: all_lists_table.write_whole(_read("all_lists.json")),
    "all lists stages": lambda _: all_lists_table.write_stages(_read("all_lists.json")),
    "feature reads": lambda _: feature_reads_table.write_table(_read("feature_reads.json")),
    "events": lambda _: events_table.write_table(_read("events.json")),
    "starts": lambda _: start_table.write_starts(_read("start.json")),
    "list requests": lambda _: list_requests_table.write_table(_read("list_requests.json")),
    "list requests run": lambda _: list_requests_table.write_run(_read("list_requests.json")),
    "list cost": lambda _: lists_table.write_cost(_read("lists.json")),
    "list large": lambda _: lists_table.write_large(_read("lists.json")),
    "list turns": lambda _: lists_table.write_turns(_read("lists.json")),
    "list memory": lambda _: lists_table.write_memory(_read("lists.json")),
    "start parts": lambda _: start_table.write_parts(_read("start.json")),
    "serving run": lambda _: serving_table.write_run(_read("serving.json")),
    "serving lists": lambda _: serving_table.write_lists(_read("serving.json")),
    "serving stages": lambda _: serving_table.write_stages(_read("serving.json")),
    "serving pictures": lambda _: serving_table.write_pictures(ROOT / "docs" / "images"),
    "serving live": lambda _: serving_table.write_live(_read("serving.json")),
    "serving memory": lambda _: serving_table.write_memory(_read("serving.json")),
    "serving sizes": lambda _: serving_table.write_sizes(_read("serving.json")),
    "rollouts": lambda _: rollout_table.write_table(_read("rollout.json")),
    "rollouts run": lambda _: rollout_table.write_run(_read("rollout.json")),
    "rollouts clicks": lambda _: rollout_table.write_clicks(_read("rollout.json")),
    "harmless answers": lambda _: harmless_answers_table.write_table(
        _read("harmless_answers.json")
    ),
    "harmless answers run": lambda _: harmless_answers_table.write_run(
        _read("harmless_answers.json")
    ),
    "harmless roles": lambda _: harmless_answers_table.write_roles(_read("harmless_answers.json")),
    "harmless pairs": lambda _: harmless_pairs_table.write_table(_read("harmless_pairs.json")),
    "harmless shops": lambda _: harmless_pairs_table.write_shops(_read("harmless_pairs.json")),
    "rollouts no harm": lambda _: rollout_table.write_no_harm(_read("rollout.json")),
    "slower lists": lambda _: slower_lists_table.write_table(_read("slower_lists.json")),
    "slower lists harmless": lambda _: slower_lists_table.write_harmless(
        _read("slower_lists.json")
    ),
    "faults": lambda _: faults_table.write_faults(_read("faults.json")),
    "faults count": lambda _: faults_table.write_summary(_read("faults.json")),
    "faults missed": lambda _: faults_table.write_missed(_read("faults.json")),
    "faults not": lambda _: faults_table.write_harmless(_read("faults.json")),
    "bound price": lambda accuracy: membership_table.write_price(
        _read("membership.json"), accuracy
    ),
    "membership": lambda _: membership_table.write_attacks(_read("membership.json")),
    "network shares": lambda _: network_table.write_shares(_read("network.json")),
    "network ranks": lambda _: network_table.write_ranks(_read("network.json")),
    "network spread": lambda _: network_table.write_spread(_read("network.json")),
    "network scale": lambda _: network_table.write_scale(_read("network.json")),
    "network methods": lambda _: network_table.write_methods(_read("network.json")),
    "network reads": lambda _: network_table.write_reads(_read("network.json")),
    "network ties": lambda _: network_table.write_ties(_read("network.json")),
    "network use": lambda _: network_table.write_use(_read("network.json")),
    "behaviour chances": lambda _: behaviour_table.write_chances(_read("behaviour.json")),
    "behaviour amounts": lambda _: behaviour_table.write_amounts(_read("behaviour.json")),
    "behaviour demand": lambda _: behaviour_table.write_demand(_read("behaviour.json")),
    "behaviour intervals": lambda _: behaviour_table.write_intervals(_read("behaviour.json")),
    "behaviour segments": lambda _: behaviour_table.write_segments(_read("behaviour.json")),
    "behaviour newcomers": lambda _: behaviour_table.write_newcomers(_read("behaviour.json")),
    "behaviour scale": lambda _: behaviour_table.write_scale(_read("behaviour.json")),
    "lightgcn hops": lambda _: behaviour_table.write_hops(_read("lightgcn_hops.json")),
    "graph models": lambda _: graph_models_table.write_table(_read("graph_models.json")),
    "graph models gaps": lambda _: graph_models_table.write_gaps(_read("graph_models.json")),
    "graph blend": lambda _: graph_models_table.write_blend(_read("graph_blend.json")),
    "graph estimates": lambda _: graph_models_table.write_estimates(_read("graph_estimates.json")),
    "graph models sets": lambda _: graph_models_table.write_sets(_read("graph_models.json")),
    "attacks": lambda _: attacks_table.write_reach(_read("attacks.json")),
    "attacks defences": lambda _: attacks_table.write_defences(_read("attacks.json")),
    "attacks price": lambda _: attacks_table.write_price(_read("attacks.json")),
    "attacks friends": lambda _: attacks_table.write_friends(_read("attacks.json")),
    "attacks models": lambda _: attacks_table.write_models(_read("attacks.json")),
    "attacks run": lambda _: attacks_table.write_run(_read("attacks.json")),
    "network strengths": lambda _: network_table.write_strengths(_read("network.json")),
    "network newcomers": lambda _: network_table.write_newcomers(_read("network.json")),
    "network libraries": lambda _: network_table.write_libraries(_read("network.json")),
    "thin histories": lambda _: thin_histories_table.write_table(_read("thin_histories.json")),
    "thin histories sets": lambda _: thin_histories_table.write_sets(_read("thin_histories.json")),
    "sequences beside": lambda _: sequences_table.write_beside(_read("sequences.json")),
    "sequences": lambda accuracy: sequences_table.write_table(_read("sequences.json"), accuracy),
    "synthetic sets": lambda _: synthetic_table.write_sets(_read("synthetic.json")),
    "synthetic fidelity": lambda _: synthetic_table.write_fidelity(_read("synthetic.json")),
    "synthetic use": lambda _: synthetic_table.write_use(_read("synthetic.json")),
    "synthetic orders": lambda _: synthetic_table.write_orders(_read("synthetic.json")),
    "synthetic privacy": lambda _: synthetic_table.write_privacy(_read("synthetic.json")),
    "dislikes": lambda _: dislikes_table.write_table(_read("dislikes.json")),
}
"""What a mark of its own lines may ask for."""


def main(arguments: list[str] | None = None) -> int:
    """Bring pages and chart up to date, or say which are not."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    asked = parser.parse_args(arguments)
    with _old_names_in_results():
        drawn = draw_all(_read("accuracy.json"), PAGES, CHART)
    stale = [path for path, text in drawn.items() if _text(path) != text]
    if asked.check:
        for path in stale:
            print(
                f"{path.relative_to(ROOT)} is not what benchmarks/results and the code say",
                file=sys.stderr,
            )
        if stale:
            print("write it with: python -m benchmarks.pages", file=sys.stderr)
        return 1 if stale else 0
    _write(drawn)
    return 0


@contextmanager
def _old_names_in_results() -> Iterator[None]:
    """Read results without a warning: names of settings stay as they were printed."""
    log = logging.getLogger("coterie.renamed")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


def _write(drawn: Mapping[Path, str]) -> None:
    for path, text in drawn.items():
        write_atomically(path, text)


def write_pages(results: Results, pages: Iterable[Path], chart: Path | None) -> None:
    """Replace pages and chart (none if None), each whole or not at all."""
    _write(draw_all(results, pages, chart))


def draw_all(results: Results, pages: Iterable[Path], chart: Path | None) -> dict[Path, str]:
    """Draw what each file should hold."""
    drawn = {page: fill_page(page.read_text(), results) for page in pages}
    if chart is None:
        return drawn
    curves = shadow_quality_chart.draw_curves(_read("shadow_quality.json"))
    price = membership_table.draw_price(_read("membership.json"), results)
    return drawn | {
        chart: draw_chart(results),
        chart.with_name(CURVES): curves,
        chart.with_name(PRICE): price,
        chart.with_name(LOOPS): feedback_table.draw_loops(_read("feedback.json")),
        chart.with_name(MADE_UP): synthetic_table.draw_price(_read("synthetic.json")),
    }


def fill_page(text: str, results: Results) -> str:
    """Replace all that is marked on a page.

    Raises:
        BadInputError: A mark asks for what there is not.
    """
    return MARKED.sub(lambda mark: f"{mark[1]}{_ask(mark[2], results)}{mark[4]}", text)


def _ask(asked: str, results: Results) -> str:
    if asked in BLOCKS:
        return f"\n{BLOCKS[asked](results).strip()}\n"
    name, *arguments = shlex.split(asked)
    try:
        return FIGURES[name](results, *arguments)
    except (KeyError, TypeError, StopIteration) as error:
        raise BadInputError(
            f"a page asks for {asked!r}, which the results do not have ({error}): "
            f"known are {', '.join([*BLOCKS, *FIGURES])}"
        ) from error


def _off_policy(world: str) -> str:
    return offpolicy_table.write_lists(_read("offpolicy.json"), world)


def _read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((RESULTS / name).read_text())
    return content


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


if __name__ == "__main__":
    sys.exit(main())
