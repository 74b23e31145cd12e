"""What can be typed after ``coterie finetune``."""

from coterie.cli.options import Commands, Parser, add_command, count, count_or_none


def add_finetune(commands: "Commands[Parser]") -> None:
    """Add ``coterie finetune``."""
    parser = add_command(
        commands,
        "finetune",
        "Fine-tune an encoder of texts by what people had together. Goes on where it stopped.",
        "coterie finetune var/shop/clean --out var/shop/encoder\n"
        "  coterie content var/shop/clean --out var/shop/content --text var/shop/encoder",
    )
    parser.add_argument("clean", help="folder that coterie ingest wrote")
    parser.add_argument(
        "--out", required=True, metavar="FOLDER", help="where the encoder goes, for coterie content"
    )
    parser.add_argument(
        "--text",
        default="default",
        metavar="PLACE",
        help="encoder to begin with: default, or a folder of a transformer (%(default)s)",
    )
    parser.add_argument("--epochs", type=count, help="at most so many (8)")
    parser.add_argument(
        "--lora", type=count_or_none, metavar="RANK", help="learn adapters of this rank alone"
    )
    parser.add_argument(
        "--masked",
        type=count_or_none,
        metavar="EPOCHS",
        help="first foresee masked word pieces of the catalogue's texts, for at most so many (0)",
    )
    parser.add_argument(
        "--config",
        nargs="+",
        default=[],
        metavar="SETTING",
        help="files, or settings as learning.loop.lr=0.0003 or learning.pairs_per_epoch=20000",
    )
    parser.add_argument(
        "--workers",
        type=count_or_none,
        default=0,
        help="Ray Train workers; 0 learns in this process (%(default)s)",
    )
    parser.add_argument("--gpu", action="store_true", help="one GPU for each worker")
