"""What guards a language model, and what one takes: caught inventions, orders, tokens, latency.

    python -m benchmarks.language --data DIR --tokenizer FILE.gguf

Says planted inventions and good rephrasings to the guard of reasons, and gives a model that obeys
every order to the guards of reasons and questions. Asks a stub of known speed through the client,
to find what the client adds. Counts the tokens of questions and answers, by a real tokenizer where
a file of one is given (else four characters are a token): of reasons in English and Chinese, of
questions, and of items of ``DIR/amazon_industrial``. What was caught is counted, not drawn: there
is no seed. Figures go to ``benchmarks/results/language.json``.
"""

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from coterie.llm.descriptions import question_of_item
from coterie.llm.endpoint import ChatEndpoint, ChatSettings, messages_of
from coterie.llm.question import Question
from coterie.llm.wishes import question_of_wish, read_wish
from coterie.reasons.rephrasing import invented, question_of, read_spoken
from tests.llm_api import KEY, MODEL, LlmApi
from tests.reasons.planted_inventions import FORMS, GOOD, INVENTED
from tests.serving.injections import INJECTIONS, Gullible

RESULTS: Final = Path(__file__).parent / "results" / "language.json"
SPEED: Final = 100.0
"""Tokens a second that the stub says."""
FIRST_S: Final = 0.1
"""Until its first one."""
CALLS: Final = 40
ITEMS: Final = 300
QUESTIONS: Final = (
    ("something for my sister who likes climbing, under 50", "climbing", 50, "my sister"),
    ("给喜欢攀岩的妹妹买点东西，五十以下", "攀岩", 50, "妹妹"),  # noqa: RUF001
)
CATEGORIES: Final = ["Sports/Climbing", "Home/Kitchen", "Books/Science", "Garden/Tools"]
CATALOGUE: Final = {
    "keywords": ["stainless steel", "measuring tool", "workshop", "precision"],
    "attributes": [{"name": "material", "value": "stainless steel"}],
    "title_en": "Stainless steel digital caliper",
    "title_zh": "不锈钢数显卡尺",
}
"""An answer of usual length."""
Count = Callable[[str], int]


def caught() -> dict[str, Any]:
    """Say what is planted to the guard of reasons: how much of it is caught, and passes."""
    found: dict[str, Any] = {}
    for language in FORMS:
        bad = [(fact, said) for lang, fact, said in INVENTED if lang == language]
        good = [(fact, said) for lang, fact, said in GOOD if lang == language]
        forms = FORMS[language]
        found[language] = {
            "planted": len(bad),
            "caught": sum(bool(invented(said, forms[fact], language)) for fact, said in bad),
            "good": len(good),
            "passed": sum(not invented(said, forms[fact], language) for fact, said in good),
        }
    return found


def ordered() -> dict[str, int]:
    """Give every order to a model that obeys: how many change a reason, or what is searched for."""
    obeys = Gullible(lambda *_: {}, always=True)
    changed_reasons = changed_searches = 0
    for order in INJECTIONS:
        for language, forms in FORMS.items():
            asked = [forms["friend"], forms["you"]]
            spoken, _ = read_spoken(
                obeys("wording", question_of(asked, language).told), asked, language
            )
            changed_reasons += spoken is not None
        question = f"climbing {order}"[:200]
        wish = read_wish(
            obeys("ask", question_of_wish(question, CATEGORIES).told), question, CATEGORIES
        )
        kept = (wish.price_min, wish.price_max, wish.recipient, wish.category)
        changed_searches += wish.query != question or kept != (None, None, None, None)
    return {
        "orders": len(INJECTIONS),
        "changed_reasons": changed_reasons,
        "changed_searches": changed_searches,
    }


def asked() -> dict[str, tuple[Question, Any]]:
    """List a question of each kind, with an answer of usual length."""
    english = FORMS["en"]
    found: dict[str, tuple[Question, Any]] = {}
    for names in (["friend"], ["friends", "you"], ["friends", "items", "you"]):
        forms = [english[name] for name in names]
        parts = [{"fact": number, "text": one.text} for number, one in enumerate(forms, 1)]
        found[f"reasons, {len(names)} in a sentence"] = question_of(forms, "en"), {"parts": parts}
    chinese = [FORMS["zh"][name] for name in ("friends", "you")]
    parts = [{"fact": number, "text": one.text} for number, one in enumerate(chinese, 1)]
    found["reasons, 2 in a Chinese sentence"] = question_of(chinese, "zh"), {"parts": parts}
    for name, (question, query, price, recipient) in zip(
        ("a question", "a Chinese question"), QUESTIONS, strict=True
    ):
        value = {
            "query": query,
            "price_min": None,
            "price_max": price,
            "in_stock": False,
            "recipient": recipient,
            "category": 1,
        }
        found[name] = question_of_wish(question, CATEGORIES), value
    return found


def tokens(question: Question, value: Any, count: Count) -> tuple[int, int]:
    """Count the tokens of a question and of its answer."""
    told = "\n".join(one["content"] for one in messages_of(question))
    return count(told), count(json.dumps(value, ensure_ascii=False))


def latency(question: Question, value: Any) -> dict[str, float]:
    """Ask the stub, in turn: what a call takes, and what of it the stub's speed does not."""
    api = LlmApi(lambda *_: value, SPEED, FIRST_S)
    seconds, added = [], []
    with api.answering():
        model = ChatEndpoint(ChatSettings(api.address, MODEL, 60.0, tokens_per_hour=0), KEY)
        for _ in range(CALLS):
            began = time.perf_counter()
            reply = model.ask(question)
            seconds.append(time.perf_counter() - began)
            added.append(seconds[-1] - FIRST_S - reply.tokens_out / SPEED)
    return {
        "p50_s": round(statistics.median(seconds), 3),
        "p95_s": round(statistics.quantiles(seconds, n=20)[-1], 3),
        "client_ms_p50": round(statistics.median(added) * 1000, 1),
        "tokens_out_of_stub": reply.tokens_out,
    }


def of_catalogue(items: Sequence[Mapping[str, Any]], count: Count) -> dict[str, Any]:
    """Count what it takes to describe a catalogue."""
    found = [tokens(question_of_item(item), CATALOGUE, count) for item in items]
    into, out = (statistics.mean(side) for side in zip(*found, strict=True))
    return {
        "items": len(found),
        "tokens_in": round(into, 1),
        "tokens_out": round(out, 1),
    }


def counter(file: str) -> tuple[Count, str]:
    """Make what counts tokens, and name it."""
    if not file:
        return (lambda text: -(-len(text) // 4)), "four characters a token"
    from transformers import AutoTokenizer

    path = Path(file)
    kept = {"gguf_file": path.name} if path.suffix == ".gguf" else {}
    folder = str(path.parent if kept else path)
    reader = AutoTokenizer.from_pretrained(folder, local_files_only=True, **kept)
    return (lambda text: len(reader(text)["input_ids"])), path.name


def read_items(data: Path) -> list[dict[str, Any]]:
    """Read texts of items as they are in that set."""
    told = json.loads((data / "amazon_industrial" / "items.json").read_text())
    rows = told if isinstance(told, list) else list(told.values())
    return [
        {
            "title": str(row.get("title", "")),
            "brand": row.get("brand"),
            "description": str(row.get("description") or ""),
        }
        for row in rows[:ITEMS]
        if isinstance(row, dict)
    ]


def main() -> None:
    """Measure, print and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tokenizer", default="")
    options = parser.parse_args()
    count, counted_by = counter(options.tokenizer)
    calls = {}
    for name, (question, value) in asked().items():
        into, out = tokens(question, value, count)
        calls[name] = {"tokens_in": into, "tokens_out": out, **latency(question, value)}
    found = {
        "machine": f"{platform.machine()}, {os.cpu_count()} CPUs, shared with other programs",
        "versions": {name: version(name) for name in ("httpx", "jsonschema", "transformers")},
        "command": "python -m benchmarks.language --data DIR --tokenizer FILE.gguf",
        "tokens_counted_by": counted_by,
        "stub": {"tokens_a_second": SPEED, "first_s": FIRST_S, "calls": CALLS},
        "inventions": caught(),
        "injections": ordered(),
        "calls": calls,
        "catalogue": of_catalogue(read_items(options.data), count),
    }
    text = json.dumps(found, indent=1, ensure_ascii=False)
    print(text)
    RESULTS.write_text(text + "\n")


if __name__ == "__main__":
    main()
