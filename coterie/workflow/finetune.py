"""Fine-tune an encoder of texts: from clean tables to a folder that ``content`` takes."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from coterie.content.encoders import DEFAULT, EncoderChoice
from coterie.content.folders import folder_digest
from coterie.content.texts import TextSettings, item_texts
from coterie.data.stores import open_store, reaching
from coterie.errors import BadInputError
from coterie.files import atomic_folder
from coterie.finetuning.config import FinetuneConfig
from coterie.finetuning.pairs import ItemPairs
from coterie.fitting.finetune import FinetunedEncoder, finetune
from coterie.fitting.fit import Here
from coterie.fitting.runs import RayWorkers
from coterie.models.engagement import engagement
from coterie.progress import Progress, silent
from coterie.training.history import TrainingHistory
from coterie.workflow.settings import change
from coterie.workflow.shop import CleanShop

TOLD: Final = "finetuned.json"
"""In the folder: of what it was learned, how, and what that gained."""
STATES: Final = "-states"
"""Behind the folder's name: where learning that was broken off goes on from."""


@dataclass(frozen=True, slots=True)
class FinetuneSettings:
    """Which encoder learns what, and where."""

    text: EncoderChoice = field(default_factory=lambda: EncoderChoice(DEFAULT))
    """The encoder to begin with: ``default``, or a folder."""
    texts: TextSettings = field(default_factory=TextSettings)
    """What of an item is in its text, as for ``content``. Reviews are left out."""
    learning: FinetuneConfig = field(default_factory=FinetuneConfig)
    """What is learned, and how long."""
    workers: int = 0
    """Ray Train's workers; 0 learns in this process."""
    use_gpu: bool = False
    """One GPU for each worker, or for this process; steps are in bf16 there."""
    address: str = "local"
    """Of the Ray cluster: ``local`` starts one for this run, ``auto`` joins the one we are on."""

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            BadInputError: Workers below 0.
        """
        if self.workers < 0:
            raise BadInputError(f"{self.workers} workers: 0 learns here, 1 and more with Ray Train")

    @classmethod
    def changed(cls, changes: Mapping[str, Any]) -> "FinetuneSettings":
        """Make the defaults with some fields changed, by dotted name.

        Raises:
            BadInputError: A name is unknown, or a value is refused.
        """
        settings: FinetuneSettings = change(cls(), changes)
        return settings

    def where(self, out: str) -> Here | RayWorkers:
        """Say who learns, with states beside the folder ``out``."""
        states = f"{out.rstrip('/')}{STATES}"
        if not self.workers:
            return Here(states, "cuda" if self.use_gpu else "cpu")
        storage = states if "://" in states else str(Path(states).absolute())
        return RayWorkers(storage, count=self.workers, use_gpu=self.use_gpu, address=self.address)


@dataclass(frozen=True, slots=True)
class FinetuneReport:
    """How it went."""

    base: str
    """The encoder that it began with."""
    base_digest: str
    digest: str
    """SHA-256 of the folder's files; empty where none was written."""
    items: int
    """Items with a text."""
    pairs: int
    """Pairs of one drawing."""
    held_out: int
    """Pairs that learning was stopped by."""
    frozen: float
    """NDCG@20 of held-out pairs by the encoder as it was."""
    finetuned: float
    """The same after the best epoch."""
    epochs: int
    best_epoch: int
    masked: float | None = None
    """The same after masked word pieces and before any pair; None where they were left out."""

    def in_words(self) -> str:
        """Say it to a person."""
        found = (
            f"held-out pairs: NDCG@20 {self.finetuned:.4f} after {self.best_epoch} of "
            f"{self.epochs} epochs, {self.frozen:.4f} by {self.base} as it was "
            f"({self.pairs:,} pairs, {self.held_out:,} held out)"
        )
        if self.masked is not None:
            found += f"; {self.masked:.4f} after masked word pieces alone"
        return found if self.digest else f"{found}; no gain, so no encoder was written"


def finetune_encoder(
    clean: str, out: str, settings: FinetuneSettings, progress: Progress = silent
) -> FinetuneReport:
    """Fine-tune an encoder by what people had together in training events, and leave its folder.

    Nothing is written where held-out pairs are found no better than by the encoder as it was.

    Args:
        clean: Folder that ``ingest`` wrote.
        out: Folder or URL for the encoder, which ``content`` takes as ``text.place``.
        settings: Which encoder, what is learned, and where.
        progress: Told of every epoch.

    Raises:
        BadInputError: The folder is not clean, nobody had two items, or the encoder cannot learn.
        UnavailableError: A store does not answer, or workers died too often.
    """
    split = CleanShop.open(clean).split
    assert split.items is not None
    data, config = split.for_validation(), settings.learning
    texts = item_texts(split.items, settings.texts)
    pairs = ItemPairs.of(engagement(data), texts, config.held_out_share, config.loop.seed)
    found = finetune(settings.text, pairs, config, settings.where(out), progress)
    with TemporaryDirectory(prefix="coterie-encoder-") as near:
        folder = Path(near)
        digest = _written(folder, found, settings, pairs) if found.is_better else ""
        report = _report(found, settings, pairs, digest)
        if digest:
            _placed(folder, out)
    return report


def _written(
    folder: Path, found: FinetunedEncoder, settings: FinetuneSettings, pairs: ItemPairs
) -> str:
    """Write the encoder, with what it is; its digest."""
    found.network.write(folder)
    told = asdict(_report(found, settings, pairs, "")) | {
        "settings": asdict(settings),
        "pairs_digest": pairs.digest(),
        "history": _epochs(found.history),
        "masked_history": _epochs(found.masked.history) if found.masked else [],
    }
    told.pop("digest")
    (folder / TOLD).write_text(json.dumps(told, indent=1))
    return folder_digest(folder)


def _epochs(history: TrainingHistory) -> list[dict[str, Any]]:
    """List what each epoch came to; not its seconds, which differ, since each file is hashed."""
    epochs: list[dict[str, Any]] = history.as_json()["epochs"]
    return [{name: value for name, value in epoch.items() if name != "seconds"} for epoch in epochs]


def _report(
    found: FinetunedEncoder, settings: FinetuneSettings, pairs: ItemPairs, digest: str
) -> FinetuneReport:
    return FinetuneReport(
        base=settings.text.place,
        base_digest=found.network.base,
        digest=digest,
        items=sum(bool(text.strip()) for text in pairs.texts),
        pairs=pairs.num_pairs,
        held_out=len(pairs.anchors),
        frozen=found.frozen,
        finetuned=found.history.best_score or 0.0,
        epochs=len(found.history.epochs),
        best_epoch=found.history.best_epoch,
        masked=found.masked.found if found.masked else None,
    )


def _placed(made: Path, out: str) -> None:
    """Bring a folder to where it was asked for; of a store's, settings come last."""
    if "://" not in out:
        target = Path(out)
        with atomic_folder(target) as beside:
            shutil.copytree(made, beside, dirs_exist_ok=True)
            shutil.rmtree(target, ignore_errors=True)
        return
    fs, root = open_store(out)
    files = sorted(file for file in made.rglob("*") if file.is_file())
    with reaching(out):
        for file in sorted(files, key=lambda one: one.name == "config.json"):
            fs.put_file(str(file), f"{root}/{file.relative_to(made).as_posix()}")
