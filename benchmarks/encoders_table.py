"""The table of docs/content.md, of what ``benchmarks.encoders`` found."""

from collections.abc import Mapping
from typing import Any, Final

NEAREST: Final = 10
"""Captions that vote for a caption's category."""
LABELS: Final = ("articleType", "masterCategory", "baseColour")


def write_table(found: Mapping[str, Any]) -> str:
    """Write the results as Markdown, for docs/content.md."""
    texts, pictures = found["texts"], found["pictures"]
    lines = [
        "| what | measured |",
        "|---|---|",
        f"| English titles a second | {texts['titles_a_second']:,.0f} |",
        f"| Chinese captions a second | {texts['captions_a_second']:,.0f} |",
        f"| category of a Chinese caption by its {NEAREST} nearest of "
        f"{texts['captions']:,} (the largest "
        f"has {texts['largest_category']:.3f}) | {texts['category']:.3f}; whitened "
        f"{texts['category_whitened']:.3f} |",
        f"| photos a second | {pictures['pictures_a_second']:.1f} |",
        *(
            f"| nearest of {pictures['photos']} photos is of the same article type, main category, "
            f"colour: {name} | {', '.join(f'{row[label]:.3f}' for label in LABELS)} |"
            for name, row in pictures["nearest"].items()
        ),
    ]
    return "\n".join(lines)
