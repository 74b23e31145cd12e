"""What ``coterie synthesise`` does."""

import argparse

from coterie.cli import show
from coterie.progress import bar


def synthesise(options: argparse.Namespace) -> None:
    """Make up people, and say what was written."""
    from coterie.synthesis.settings import SynthesisSettings
    from coterie.workflow.synthesise import synthesise as make

    given = {
        "people": options.people,
        "seed": options.seed,
        "tastes": options.tastes,
    }
    if options.epsilon is not None:
        given |= {"epsilon": options.epsilon, "delta": options.delta}
    if options.generator:
        given["generator"] = options.generator
    with bar() as progress:
        card = make(options.clean, options.out, SynthesisSettings(**given), progress)
    rows = card["rows"]
    show.say(
        f"{rows['users']:,} people who do not exist, {rows['ties']:,} ties and "
        f"{rows['events']:,} events are in {options.out}; items are the shop's own"
    )
    promise = card["promise"]
    if promise:
        show.say(
            f"Bounded: epsilon {promise['epsilon']:.3g}, delta {promise['delta']:.1g} for "
            f"{promise['unit']} ({promise['accountant']})"
        )
    show.say(f"coterie ingest {options.out} --out FOLDER")
