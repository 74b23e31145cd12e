"""The table of docs/content.md, of what ``benchmarks.vectors`` found."""

from collections.abc import Mapping
from typing import Any

REPLICAS = (("", "no vectors"), ("text", "texts"), ("text image", "texts and pictures"))


def write_table(results: Mapping[str, Any]) -> str:
    """Write what a catalogue's vectors cost, as Markdown."""
    encoding, replicas, store = (results[part] for part in ("encoding", "replicas", "store"))
    words = results["words"]
    minutes = encoding["seconds"] / 60
    rows = [
        (
            f"encoding {encoding['items']:,} texts of {encoding['characters']:.0f} characters",
            f"{minutes:.1f} minutes ({encoding['items'] / encoding['seconds']:,.0f} a second)",
        ),
        (
            "encoding them again, none of them new",
            f"{encoding['again_seconds']:.0f} s",
        ),
        (
            f"the nearest in words of {words['items']:,} items, for training",
            f"{words['seconds']:.0f} s ({words['found']:.3f} of the exact ones)",
        ),
        *(
            (
                f"the nearest in vectors of {one['items']:,} items, for training",
                f"{one['seconds']:.0f} s ({one['found']:.3f} of the exact ones)",
            )
            for one in results.get("meaning", ())
        ),
        *(
            (f"memory of a replica, with {what}", f"{replicas[kinds]['mb']:,} MB")
            for kinds, what in REPLICAS
        ),
        (
            "memory of a replica, with texts and their encoder",
            f"{replicas['text, encoder']['mb']:,} MB",
        ),
        (
            "encoding one query, median",
            f"{replicas['text, encoder']['query_ms']:.1f} ms",
        ),
        *(
            (
                f"feature store, {one['kinds'].replace(' ', ' and ')}"
                + (", online as well" if one["online"] else ", offline alone"),
                f"{one['seconds']:.0f} s; {one['file_mb']:,} MB offline"
                + (f", {one['online_mb']:,} MB in SQLite" if one["online"] else ""),
            )
            for one in store
        ),
    ]
    lines = ["| what | measured |", "|---|---|", *(f"| {what} | {found} |" for what, found in rows)]
    return "\n".join(lines)
