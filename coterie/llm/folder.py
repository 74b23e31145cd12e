"""A language model in a folder, run here: safetensors or one GGUF file, and no code of the folder.

For a try-out, and where nothing may leave the machine. It answers one question at a time.
"""

import time
from pathlib import Path
from typing import Any, Final

from coterie.content.encoder import digest_of
from coterie.errors import BadInputError, UnavailableError
from coterie.llm.budget import BusyError, SpentError, TokenBudget, Turns
from coterie.llm.endpoint import messages_of
from coterie.llm.forms import read_form
from coterie.llm.question import Note, Outcome, Question, Reply, Usage

_NOTHING_ASKED: Final = {"local_files_only": True, "trust_remote_code": False}
_CUT: Final = 4096
"""Tokens of a question at most: what is longer is refused, not cut."""


class ChatFolder:
    """Runs a causal model that transformers can read."""

    def __init__(self, place: str, note: Note, timeout_s: float, tokens_per_hour: int = 0) -> None:
        """Load the weights.

        Args:
            place: Folder with config, tokenizer and safetensors, as ``save_pretrained`` leaves
                them; or with one ``.gguf`` file, or such a file itself.
            note: Told of each call.
            timeout_s: Of one answer; what is not said by then is not said.
            tokens_per_hour: 0: no bound.

        Raises:
            BadInputError: There is no model that can be read.
        """
        self._note, self._timeout_s = note, timeout_s
        self._budget, self._turns = TokenBudget(tokens_per_hour), Turns(1)
        folder, gguf = _weights(Path(place))
        self.name = (gguf or folder.name).removesuffix(".gguf")
        kept = {"gguf_file": gguf} if gguf else {}
        self._tokens = _load("AutoTokenizer", folder, **kept)
        safe = {} if gguf else {"use_safetensors": True}
        self._model = _load("AutoModelForCausalLM", folder, **kept, **safe).eval()
        files = sorted(one for one in folder.iterdir() if one.is_file())
        self.digest = digest_of(
            name=self.name, files=[[one.name, one.stat().st_size] for one in files], version=1
        )

    def ask(self, question: Question) -> Reply:
        """See ``LanguageModel``."""
        began = time.monotonic()
        try:
            taken = self._budget.take(question)
        except SpentError:
            self._tell(question, "over_budget", began)
            raise
        used = 0
        try:
            with self._turns.one(self._timeout_s):
                text, tokens = self._said(question)
        except BusyError:
            self._tell(question, "busy", began)
            raise
        else:
            used = sum(tokens)
        finally:
            self._budget.settle(taken, used)
        if time.monotonic() - began > self._timeout_s:
            self._tell(question, "away", began, tokens)
            raise UnavailableError(f"{self.name} did not answer within {self._timeout_s:g} s")
        try:
            value = read_form(text, question.form)
        except BadInputError:
            self._tell(question, "unfit", began, tokens)
            raise
        self._tell(question, "answered", began, tokens)
        return Reply(value, *tokens)

    def _said(self, question: Question) -> tuple[str, tuple[int, int]]:
        import torch

        # A template of the folder is run in transformers' sandbox, which has no files.
        given = self._tokens.apply_chat_template(
            messages_of(question),
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
        )
        num = int(given["input_ids"].shape[1])
        if num > _CUT:
            raise BadInputError(f"a question of {num} tokens: expected at most {_CUT}")
        with torch.inference_mode():
            made = self._model.generate(
                **given,
                max_new_tokens=question.max_tokens,
                max_time=self._timeout_s,
                do_sample=False,
                pad_token_id=self._tokens.eos_token_id,
            )[0, num:]
        return self._tokens.decode(made, skip_special_tokens=True), (num, len(made))

    def _tell(
        self, question: Question, outcome: Outcome, began: float, tokens: tuple[int, int] = (0, 0)
    ) -> None:
        self._note(Usage(question.purpose, outcome, time.monotonic() - began, *tokens))


def _weights(place: Path) -> tuple[Path, str]:
    """Find the folder, and the name of its GGUF file if it is one.

    Raises:
        BadInputError: It holds neither safetensors nor one GGUF file.
    """
    if place.is_file() and place.suffix == ".gguf":
        return place.parent, place.name
    found = sorted(place.glob("*.gguf")) if place.is_dir() else []
    if len(found) == 1:
        return place, found[0].name
    if found or not any(place.glob("*.safetensors")) or not (place / "config.json").is_file():
        raise BadInputError(
            f"{place} holds no language model: expected config.json, a tokenizer and weights in "
            "safetensors, or one .gguf file (pickled weights are not read)"
        )
    return place, ""


def _load(what: str, folder: Path, **more: Any) -> Any:
    try:
        import transformers
    except ImportError as error:
        raise BadInputError(
            f"{folder} cannot be read: {error.name} is not installed; pip install 'coterie[llm]'"
        ) from error
    try:
        return getattr(transformers, what).from_pretrained(str(folder), **_NOTHING_ASKED, **more)
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        raise BadInputError(
            f"transformers cannot read {what.removeprefix('Auto')} of {folder}: "
            f"{(str(error).strip().splitlines() or ['without a reason'])[0]}"
        ) from error
