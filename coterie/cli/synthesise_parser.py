"""``coterie synthesise``: what can be typed."""

from coterie.cli.options import Commands, Parser, add_command, count


def add_synthesise(commands: "Commands[Parser]") -> None:
    """Add the command that makes up people, so that data can be shared."""
    from coterie.synthesis.settings import DEFAULT, GENERATORS, WITHIN_BOUND

    parser = add_command(
        commands,
        "synthesise",
        "Make up people, ties and events that are like a shop's, to share in their place. "
        "Items stay the shop's own.",
        "coterie synthesise var/shop/clean --out var/shop/made-up\n"
        "  coterie ingest var/shop/made-up --out var/made-up/clean",
    )
    parser.add_argument("clean", help="folder that coterie ingest wrote")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="new, for the tables")
    parser.add_argument(
        "--generator",
        choices=GENERATORS,
        help=f"what draws people ({DEFAULT}; {WITHIN_BOUND} with --epsilon)",
    )
    parser.add_argument(
        "--tastes",
        type=count,
        default=8,
        metavar="N",
        help="directions that tastes are told by: more tell more, of single people too; with "
        "--epsilon it is the catalogue's categories (%(default)s)",
    )
    parser.add_argument(
        "--people", type=count, default=0, metavar="N", help="to make up (as many as there are)"
    )
    parser.add_argument("--seed", type=int, default=0, help="same seed, same people (%(default)s)")
    parser.add_argument(
        "--epsilon",
        type=float,
        metavar="E",
        help="bound what is told of one person, by noise: 1 is strong, 10 is weak (no bound)",
    )
    parser.add_argument(
        "--delta", type=float, default=1e-6, help="of that bound, under 1 / people (%(default)s)"
    )
