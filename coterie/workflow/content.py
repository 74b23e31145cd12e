"""The content step: what a catalogue says of its items, as vectors, of what is new since last time.

Texts come from the clean tables; pictures and sounds are fetched from where these say. What cannot
be had or read goes to quarantine with the reason, and the item lives without.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coterie.content.batches import FETCHED, BatchReader
from coterie.content.encoder import ContentEncoder, EncodedBatch
from coterie.content.encoders import EncoderChoice, check_choice, make_encoder
from coterie.content.fetch import FetchSettings
from coterie.content.kept import EncodingPlan, ItemInputs, KeptVectors
from coterie.content.texts import TextSettings, item_texts
from coterie.content.vectors import KINDS
from coterie.data.load import read_clean
from coterie.data.parquet import table_writer
from coterie.errors import BadInputError, UnavailableError
from coterie.progress import Progress, silent
from coterie.schema import ITEMS, QUARANTINE
from coterie.workflow.config_values import read_config
from coterie.workflow.content_folder import content_folder, earlier_content
from coterie.workflow.content_workers import ContentWorkers, encode_by_workers, encode_here
from coterie.workflow.described_items import DescribeSettings, describe_items
from coterie.workflow.item_reviews import reviews_of
from coterie.workflow.settings import change

COLUMNS: Final = {"image": "image_uri", "audio": "audio_uri"}
"""Of a catalogue: where each kind of file lies."""
QUARANTINE_FILE: Final = "quarantine.parquet"
Make = Callable[[str, EncoderChoice, str], ContentEncoder]
Reviews = Mapping[str, Sequence[str]]
"""By item, newest first."""


@dataclass(frozen=True, slots=True)
class ContentSettings:
    """What of a catalogue is encoded, by what; a kind without an encoder is left out."""

    text: EncoderChoice = field(default_factory=EncoderChoice)
    image: EncoderChoice = field(default_factory=EncoderChoice)
    audio: EncoderChoice = field(default_factory=EncoderChoice)
    texts: TextSettings = field(default_factory=TextSettings)
    fetch: FetchSettings = field(default_factory=FetchSettings)
    batch: int = 256
    """Items at a time; so many files are in memory at once."""
    workers: ContentWorkers = field(default_factory=ContentWorkers)
    describe: DescribeSettings = field(default_factory=DescribeSettings)
    """Which language model says what items are, before their texts are encoded."""
    online: bool = False
    """Whether a pipeline that hands features over brings vectors online as well; a release has them
    in any case."""

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            BadInputError: A batch of nothing.
        """
        if self.batch < 1:
            raise BadInputError(f"batch is {self.batch}: at least 1 item at a time")

    @classmethod
    def read(cls, given: str) -> "ContentSettings":
        """Read what differs from the defaults: JSON, or the address of a file with it.

        Raises:
            BadInputError: A name is unknown, a value is refused, or there is no such file.
            UnavailableError: A store does not answer.
        """
        return cls.changed(read_config(given) if given.strip() else {})

    @classmethod
    def changed(cls, changes: Mapping[str, Any]) -> "ContentSettings":
        """Make the defaults with some fields changed, by dotted name.

        Raises:
            BadInputError: A name is unknown, or a value is refused.
        """
        settings: ContentSettings = change(cls(), changes)
        for kind, choice in settings.chosen.items():
            check_choice(kind, choice)
        return settings

    @property
    def chosen(self) -> dict[str, EncoderChoice]:
        """The encoders of the kinds that are not left out."""
        every: dict[str, EncoderChoice] = {kind: getattr(self, kind) for kind in KINDS}
        return {kind: choice for kind, choice in every.items() if choice.place}


@dataclass(frozen=True, slots=True)
class ContentCoverage:
    """How it went with one kind."""

    encoder: str
    digest: str
    items: int
    known: int
    """Items that have a vector now."""
    encoded: int
    """Inputs that were encoded this time."""
    quarantined: int
    """Items whose input could not be had or read."""
    choice: EncoderChoice = field(default_factory=EncoderChoice)
    """What to open for the very same encoder: for queries."""

    def in_words(self, kind: str) -> str:
        """Tell a person how it went.

        >>> ContentCoverage("use", "0f", 120, 118, 7, 2).in_words("text")
        'text: 118 of 120 items have vectors of use; 7 encoded now, 2 in quarantine'
        """
        return (
            f"{kind}: {self.known:,} of {self.items:,} items have vectors of {self.encoder}; "
            f"{self.encoded:,} encoded now, {self.quarantined:,} in quarantine"
        )


def encode_catalogue(
    clean: str,
    out: str,
    settings: ContentSettings,
    keep: str = "",
    key: str = "",
    progress: Progress = silent,
    make: Make = make_encoder,
    llm_key: str = "",
) -> dict[str, ContentCoverage]:
    """Encode what is new in a catalogue.

    Args:
        clean: Folder that ``ingest`` wrote.
        out: Folder for the vectors of all items, a file of vectors a kind.
        settings: What is encoded.
        keep: Folder or URL where vectors are found that were made before, and left for the next
            time; empty: all are made now.
        key: For an API.
        progress: Told how many inputs are encoded.
        make: Makes encoders.
        llm_key: What the API of a language model asks of its callers.

    Returns:
        How it went, by kind; nothing where no encoder is chosen.

    Raises:
        BadInputError: The folder is not clean, an encoder cannot be had, or reviews are to be read
            of events without times.
        UnavailableError: A store or an API does not answer.
    """
    _, tables = read_clean(clean)
    items = tables[ITEMS.name].sort_by("item_id")
    reviews: Reviews = {}
    if settings.texts.reviews and settings.text.place:
        reviews = reviews_of(clean, tables, settings.texts.max_reviews)
    found: dict[str, ContentCoverage] = {}
    with TemporaryDirectory(prefix="coterie-content-") as near, earlier_content(keep) as earlier:
        made, bad = Path(near), []
        items = describe_items(clean, items, made, earlier, settings.describe, llm_key, progress)
        for kind, choice in settings.chosen.items():
            work = _Work(kind, partial(make, kind, choice, key), settings, reviews)
            kept, faults, encoded = work.encode(items, KeptVectors.read(earlier, kind), progress)
            encoder = work.encoder
            kept.write(made)
            bad.append(faults)
            known = int(kept.vectors.known.sum())
            found[kind] = ContentCoverage(
                encoder=encoder.name,
                digest=encoder.digest,
                items=items.num_rows,
                known=known,
                encoded=encoded,
                quarantined=faults.num_rows,
                choice=choice,
            )
        with table_writer(made / QUARANTINE_FILE, QUARANTINE) as writer:
            for faults in bad:
                writer.write_table(faults)
        said = json.dumps({kind: asdict(one) for kind, one in found.items()}, indent=1)
        for place in filter(None, (out, keep)):
            content_folder(made, place, said)
    return found


class _Work:
    """Encodes one kind of a catalogue."""

    def __init__(
        self,
        kind: str,
        make: Callable[[], ContentEncoder],
        settings: ContentSettings,
        reviews: Reviews,
    ) -> None:
        self._kind, self._settings, self._reviews = kind, settings, reviews
        self._make = partial(_make_reader, make, settings.fetch)
        self._reader = self._make()

    @property
    def encoder(self) -> ContentEncoder:
        return self._reader.encoder

    def encode(
        self, items: pa.Table, earlier: KeptVectors | None, progress: Progress
    ) -> tuple[KeptVectors, pa.Table, int]:
        """Encode what is new; with it, the rows for quarantine, and how many were encoded."""
        inputs = self._inputs(items)
        plan = EncodingPlan.of(inputs, self.encoder, earlier)
        made = np.zeros((len(plan.places), self.encoder.width), np.float32)
        faults: dict[int, str] = {}
        well = np.zeros(len(made), bool)
        try:
            for places, found in self._encoded([inputs.values[place] for place in plan.places]):
                made[places], well[places] = found.vectors, True
                faults |= {places[place]: why for place, why in found.faults.items()}
                progress(f"content: {self._kind}", int(well.sum()), len(made))
        except UnavailableError as error:
            if not well.any():
                raise
            # What has been encoded may have cost money: it is kept, and the rest comes next time.
            faults |= dict.fromkeys(np.flatnonzero(~well).tolist(), str(error))
        well[list(faults)] = False
        kept = plan.finish(self.encoder, made, well)
        return kept, self._quarantine(inputs, plan, faults), len(made) - len(faults)

    def _encoded(self, values: Sequence[str]) -> Iterator[tuple[Sequence[int], EncodedBatch]]:
        workers, batch = self._settings.workers, self._settings.batch
        if workers.count and values:
            return encode_by_workers(self._make, values, batch, workers)
        return encode_here(self._reader, values, batch)

    def _inputs(self, items: pa.Table) -> ItemInputs:
        ids = items["item_id"].to_pylist()
        if self._kind in FETCHED:
            values = pc.fill_null(items[COLUMNS[self._kind]], "").to_pylist()
        else:
            values = item_texts(items, self._settings.texts, self._reviews)
        return ItemInputs.of(self._kind, ids, values, self._reader.stamps(values))

    def _quarantine(
        self, inputs: ItemInputs, plan: EncodingPlan, faults: Mapping[int, str]
    ) -> pa.Table:
        """Tell, in the form of ingest's quarantine, of each item that lives without."""
        rows: list[dict[str, Any]] = [
            {
                "table": ITEMS.name,
                "file": "",
                "row": row,
                "column": COLUMNS.get(self._kind, "title"),
                "reason": faults[new],
                "found": inputs.values[row],
            }
            for row, new in plan.items_of(list(faults))
        ]
        return pa.Table.from_pylist(rows, QUARANTINE)


def _make_reader(make: Callable[[], ContentEncoder], fetch: FetchSettings) -> BatchReader:
    # Of a module's own, so that Ray can send it to workers.
    return BatchReader(make(), fetch)
