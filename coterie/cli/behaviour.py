"""What ``coterie behaviour`` does."""

import argparse

from coterie.cli import show
from coterie.progress import bar


def behaviour(options: argparse.Namespace) -> None:
    """Look at shoppers, and say what stands out."""
    from coterie.workflow.behaviour import REPORT_FILE, analyse_behaviour, read_behaviour_settings

    settings = read_behaviour_settings(*options.config)
    with bar() as progress:
        figures = analyse_behaviour(options.clean, options.out, settings, progress)
    for one in figures["segments"]["chosen"]:
        show.say(f"segment {one['number']}, {one['shoppers']:,} shoppers: {one['name']}")
    for name, one in figures["foreseen"].items():
        if "left_out" in one:
            show.say(f"{name} was not foreseen: {one['left_out']}")
        elif one["chances"]:
            ours = next(iter(one["chances"].values()))
            show.say(
                f"{name}: AUC {ours['auc']['mean']:.3f}, Brier {ours['brier']['mean']:.4f}; "
                f"{100 * one['happened']:.0f} % did"
            )
        else:
            ours = next(iter(one["amounts"].values()))
            show.say(f"{name}: {100 * ours['total_ratio']:.0f} % of what came was foreseen")
    demand = figures["demand"]
    if "left_out" in demand:
        show.say(f"demand was not forecast: {demand['left_out']}")
    else:
        week = demand["series"][0]
        show.say(
            f"next week {week['expected'][0]:,.0f} purchases "
            f"({week['low'][0]:,.0f} to {week['high'][0]:,.0f})"
        )
    show.say(f"Open {options.out}/{REPORT_FILE} in a browser")
