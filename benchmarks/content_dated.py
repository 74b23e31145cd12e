"""Sets of the content benchmark that are split by time: LastFM by its tags, and the simulated shop.

What is said of an item is what was said by then: tags dated before the part that is foreseen.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.accuracy import BY_TIME, prepare
from benchmarks.content_sets import ContentSet, Encode, Task
from benchmarks.planted import picture_files
from coterie.content.pictures import PictureEncoder, PictureSettings
from coterie.content.sentences import SentenceEncoder
from coterie.content.texts import item_texts
from coterie.data.dataset import Ints, Split, TrainingSet
from coterie.data.ingest import ingest
from coterie.data.simulate import ShopConfig, simulate
from coterie.data.vector_columns import with_vectors
from coterie.workflow.shop import CleanShop

SHOP: Final = ShopConfig(num_users=800, num_items=600, num_events=40_000, pictures=True)
PIXELS: Final = 96
"""Wide and high, as its pictures are."""


def read_lastfm_by_time(folder: Path, encode: Encode | None = None) -> ContentSet:
    """LastFM by time (docs/accuracy.md): names of artists, and tags given before each part.

    Args:
        folder: Beside ``lastfm``, which is read.
        encode: Texts to vectors.
    """
    name = folder.name.removesuffix(BY_TIME)
    with TemporaryDirectory() as work:
        prepare(folder.parent, Path(work), [name + BY_TIME])
        split = CleanShop.open(f"{work}/{name}{BY_TIME}/clean").split
        said = pq.read_table(
            f"{work}/{name}{BY_TIME}/raw/events.parquet", columns=["item_id", "text", "ts"]
        )
    assert split.between is not None
    ends = [int(split.train.ts_ms.max()), int(split.between.ts_ms.max())]
    fits = split.for_validation(), split.for_test()
    told = [_told_by(fit.items, said, end, encode) for fit, end in zip(fits, ends, strict=True)]
    tasks = [
        Task(replace(fit, items=items), held_out)
        for fit, (items, _), held_out in zip(fits, told, (split.val, split.test), strict=True)
    ]
    return ContentSet("lastfm_by_time", tasks[0], tasks[1], k=20, category=told[1][1])


def read_simulated(folder: Path, encode: Encode | None = None) -> ContentSet:  # noqa: ARG001
    """Simulate a shop of 600 items, by time: words, and vectors of texts and pictures."""
    shop = simulate(SHOP)
    with TemporaryDirectory() as work:
        shop.write(f"{work}/raw")
        ingest(f"{work}/raw", f"{work}/clean")
        split = CleanShop.open(f"{work}/clean").split
    assert split.items is not None
    order = {one: row for row, one in enumerate(shop.items["item_id"].to_pylist())}
    files = picture_files(shop)
    painted = [files[order[one]] for one in split.items["item_id"].to_pylist()]
    items = with_vectors(
        split.items, "text", SentenceEncoder().encode(item_texts(split.items)).vectors
    )
    items = with_vectors(
        items, "image", PictureEncoder(PictureSettings(side=PIXELS)).encode(painted).vectors
    )
    return _of_times("simulated", replace(split, items=items))


def _of_times(name: str, split: Split) -> ContentSet:
    fits: tuple[TrainingSet, ...] = split.for_validation(), split.for_test()
    assert split.items is not None
    category = np.unique(
        np.asarray(split.items["category"].fill_null("").to_pylist()), return_inverse=True
    )[1]
    return ContentSet(
        name, Task(fits[0], split.val), Task(fits[1], split.test), k=20, category=category
    )


def _told_by(
    items: pa.Table | None, said: pa.Table, end_ms: int, encode: Encode | None
) -> tuple[pa.Table, Ints]:
    """Describe artists by their names and by tags until a moment; also each one's main tag."""
    assert items is not None
    row = {one: place for place, one in enumerate(items["item_id"].to_pylist())}
    times = said["ts"].cast(pa.timestamp("ms")).cast(pa.int64()).to_numpy()
    early = said.filter(pa.array(times <= end_ms))
    tags: list[list[str]] = [[] for _ in row]
    for item, word in zip(early["item_id"].to_pylist(), early["text"].to_pylist(), strict=True):
        if item in row and word:
            tags[row[item]].append(word)
    titles = [title or "" for title in items["title"].to_pylist()]
    words = [" , ".join(given) for given in tags]
    columns: dict[str, Any] = {"item_id": items["item_id"], "title": titles, "tags": words}
    described = pa.table(columns)
    if encode is not None:
        texts = [f"{a}. {b}"[:300] for a, b in zip(titles, words, strict=True)]
        described = with_vectors(described, "text", encode(texts))
    return described, _main(tags)


def _main(tags: Sequence[Sequence[str]]) -> Ints:
    main = [max(set(given), key=lambda t: (given.count(t), t)) if given else "" for given in tags]
    return np.asarray(np.unique(main, return_inverse=True)[1], np.int64)
