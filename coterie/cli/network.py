"""What ``coterie network`` does."""

import argparse

from coterie.cli import show
from coterie.progress import bar


def network(options: argparse.Namespace) -> None:
    """Look at a network, and say what stands out."""
    from coterie.workflow.network import REPORT_FILE, analyse_network, read_network_settings

    settings = read_network_settings(*options.config)
    with bar() as progress:
        figures = analyse_network(options.clean, options.out, settings, progress)
    size, cores = figures["size"], figures["cores"]
    show.say(
        f"{size['people']:,} people, {size['ties']:,} ties, {100 * size['reciprocity']:.0f} % of "
        f"them returned; highest core {cores['highest']}, {figures['bridges']:,} bridges"
    )
    for one in figures["communities"]:
        stability = "" if one["stability"] is None else f", stability {one['stability']:.2f}"
        show.say(
            f"resolution {one['resolution']:g}: {one['number']:,} communities, modularity "
            f"{one['modularity']:.3f}{stability}"
        )
    told = figures.get("influence", {})
    if "left_out" in told:
        show.say(f"influence was not estimated: {told['left_out']}")
    elif told:
        show.say(
            f"{100 * told['share_caused']:.1f} % of first purchases because of a friend; a naive "
            f"count says {100 * told['share_naive']:.1f} %"
        )
        if told["alike"] is None:
            show.say(
                "the log is too short to tell how alike friends are by themselves: less may be "
                "because of them"
            )
    if asked := figures.get("invitations"):
        whole = asked["whole"]
        show.say(
            f"{whole['invited']:,} invitations of {whole['people']:,} people, {whole['opened']:,} "
            f"opened and {whole['taken']:,} taken within {asked['days']:g} days"
        )
    show.say(f"Open {options.out}/{REPORT_FILE} in a browser")
