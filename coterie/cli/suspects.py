"""What ``coterie suspects`` does."""

import argparse

from coterie.cli import show


def suspects(options: argparse.Namespace) -> None:
    """Look for fake accounts, and say what they push."""
    from coterie.workflow.suspects import WITHHELD_FILE, list_suspects, read_suspects_settings

    found = list_suspects(options.clean, options.out, read_suspects_settings(*options.config))
    for one in found["pushed"]:
        show.say(
            f"{one['item_id']}: {one['suspects']} suspects, "
            f"{one['odd_owners']} of its {one['owners']} owners are odd"
        )
    if not found["suspects"]:
        show.say(f"No suspects among {found['accounts']:,} accounts")
        return
    show.say(
        f"{found['suspects']:,} suspects of {found['accounts']:,} accounts. Look at them, then "
        f"put {options.out}/{WITHHELD_FILE} into the folder users/ beside the shop's tables"
    )
