"""Bytes from outside, spoilt in every way, into whatever reads them.

    python tests/fuzz/fuzz_bytes.py --seconds 60 --seed 1        (--only parquet picture)

Each reader begins with files as they should be, of which bytes are changed, cut, repeated, put in
from elsewhere, or replaced by what parsers trip over. It may read them, or refuse them in its own
words; anything else is a find, as are two seconds of the processor for one input, and a gigabyte.
What was found is printed with the seed and number that make it again.
"""

import argparse
import asyncio
import gzip
import io
import json
import random
import resource
import sys
import time
import traceback
import warnings
import zlib
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import safetensors.torch
import torch
from PIL import Image
from starlette.datastructures import Headers

from coterie.access.keys import make_key, parse_keys, written
from coterie.access.scopes import Scope
from coterie.access.tokens import Purpose, mint, read_token
from coterie.content.pictures import open_picture
from coterie.content.sounds import open_sound
from coterie.data.formats import columns_of, parquet_types, read_chunks
from coterie.data.mapping.document import parse_mapping
from coterie.errors import BadInputError
from coterie.llm.forms import read_form
from coterie.llm.wishes import question_of_wish, read_wish
from coterie.privacy.promise import Promise
from coterie.recommend.rules import read_rules
from coterie.release.bundle import _tensors
from coterie.release.manifest import FILES, FORMAT, SCHEMA_VERSION, parse_manifest
from coterie.release.tensors import tensors_of
from serving.api.bodies import read_body
from serving.api.normalizing import NormalizingMiddleware
from serving.api.problems import ProblemError
from serving.api.strict_routes import StrictRequest, refuse_unknown
from serving.ingestion.intake import Intake
from serving.lists.paging import ABOUT_BYTES, Shown

PROCESSOR_S = 2.0
"""Of one input."""
MORE_BYTES = 1 << 30
"""Over what the process has before the first input."""
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
ABOUT = b"x" * ABOUT_BYTES
TRIPS = [
    *(b"", b"\0", b"\xff" * 8, b"\x80\x00\x00\x00", b"\x7f\xff\xff\xff\xff\xff\xff\xff"),
    *(b"-1", b"9" * 400, b"1e999", b"NaN", b"-0", b"0x10", b"null", b"true", b"{}", b"[]", b'""'),
    *(b"\xef\xbb\xbf", b"\r\n", b"\r", b"\n\n", b'"', b"'", b",", b";", b"\t", b"\\", b"\\u0000"),
    *(
        b"\\ud800",
        b"\xed\xa0\x80",
        b"\xc0\xaf",
        "é\u202e\u0301".encode(),
        b"%00",
        b"%",
        b"%zz",
        b"+",
    ),
    *(
        b"&x=1",
        b"=",
        b"&" * 50,
        b"&a" * 1500,
        b"[" * 5000,
        b"```\n" + b"\n" * 39_000,
        b"```\n" + b" " * 39_000,
        b"9" * 4000,
        b'{"a":' * 3000,
        b"(" * 3000,
        b"- " * 2000,
    ),
    *(
        b"&a [*a,*a]",
        b"!!python/object:os.system ",
        b"<<: *x",
        b"*x",
        b"? ",
        b": ",
        b"#",
        b"%YAML 9",
    ),
    *(
        b"../",
        b"/etc/passwd",
        b"PAR1",
        b"RIFF",
        b"IHDR",
        b"\xff\xd8\xff",
        b"GIF89a",
        b"..",
        b"a.b.c",
    ),
]


def spoil(data, others, chance):
    """Change some bytes in one to six ways."""
    found = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        at = chance.randrange(len(found) + 1)
        end = min(len(found), at + chance.choice((1, 2, 4, 8, 40, 400)))
        way = chance.randrange(9)
        if way == 0 and found:
            found[at % len(found)] ^= 1 << chance.randrange(8)
        elif way == 1:
            found[at:at] = chance.choice(TRIPS)
        elif way == 2:
            found[at:end] = chance.choice(TRIPS)
        elif way == 3:
            del found[at:end]
        elif way == 4:
            del found[at:]
        elif way == 5:
            found[at:at] = bytes(found[at:end]) * chance.choice((1, 3, 100))
        elif way == 6:
            found[at:end] = chance.randbytes(end - at)
        elif way == 7:
            other = chance.choice(others)
            begin = chance.randrange(len(other) + 1)
            found[at:] = other[begin:]
        else:
            size = chance.choice((1, 2, 4, 8))
            number = chance.choice((0, 1, 255, 1 << 15, (1 << 31) - 1, (1 << 63) - 1))
            order = chance.choice(("little", "big"))
            found[at : at + size] = (number % (1 << 8 * size)).to_bytes(size, order)
    return bytes(found[: 1 << 21])


class Files:
    """Reads a file of a table as ingest does."""

    def __init__(self, folder, name):
        self.path = Path(folder, name)

    def __call__(self, data):
        self.path.write_bytes(data)
        columns_of(self.path, self.path.name)
        parquet_types(self.path, self.path.name)
        for _ in read_chunks(self.path, self.path.name):
            pass


def tables():
    """The same rows in three forms, and compressed."""
    rows = [
        {
            "event_id": f"e{n}",
            "user_id": f"ü{n % 3}",
            "item_id": "i1",
            "event": "view",
            "value": n / 2,
        }
        for n in range(40)
    ]
    rows[3]["value"] = None
    table = pa.Table.from_pylist(rows)
    nested = pa.table({"user_id": ["a", "b"], "item_id": [["i"], []], "ts": [NOW, None]})
    parquet = []
    for one, how in ((table, "zstd"), (table, "none"), (nested, "snappy")):
        file = io.BytesIO()
        pq.write_table(one, file, compression=how)
        parquet.append(file.getvalue())
    lines = "\n".join(map(json.dumps, rows)).encode()
    csv = "\n".join(["event_id,user_id,text", *(f'{n},u{n},"a ""b"",\nc"' for n in range(30))])
    return csv.encode(), lines, parquet


def pictures():
    found = []
    chance = np.random.default_rng(7)
    for kind, mode in (("PNG", "RGBA"), ("JPEG", "RGB"), ("WEBP", "RGB"), ("GIF", "P")):
        picture = Image.fromarray(chance.integers(0, 255, (40, 60, 3), np.uint8)).convert(mode)
        file = io.BytesIO()
        picture.save(file, kind)
        found.append(file.getvalue())
    return found


def sounds():
    import soundfile

    found = []
    wave = np.sin(np.arange(4000) / 9.0).astype(np.float32)
    for kind in ("WAV", "FLAC", "OGG"):
        file = io.BytesIO()
        soundfile.write(file, wave, 8000, format=kind)
        found.append(file.getvalue())
    return found


def manifest():
    digest = {"sha256": "ab" * 32, "size": 9}
    told = {
        "format": FORMAT,
        "version": "v1",
        "schema_version": SCHEMA_VERSION,
        "created_at": "2026-01-31T12:00:00+00:00",
        "code_version": "1",
        "data_fingerprint": "cd",
        "num_items": 5,
        "per_item": ["items"],
        "metrics": {"recall": {"all": 0.1}},
        "limits": {"gain": 0.02},
        "files": dict.fromkeys(FILES, digest),
        "repurchase": {"Food": 30.0},
    }
    bound = Promise(3.0, 1e-6, "prv", 10, 2.0, {"popularity": 4.0})
    return [json.dumps(one).encode() for one in (told, {**told, "bound": bound.as_json()})]


def tensor_files():
    tensors = {"a": torch.zeros(3, 4), "b": torch.ones(5, dtype=torch.int64)}
    return [safetensors.torch.save(tensors), safetensors.torch.save({"x": torch.zeros(0)})]


def bodies():
    events = [
        {"event_id": f"e{n}", "user_id": "ana", "item_id": "i", "event": "rating", "value": 4.5}
        for n in range(3)
    ]
    events[1] |= {"ts": "2026-01-31T11:00:00Z", "referrer_user_id": "bea", "list_id": "l"}
    plain = json.dumps({"events": events}).encode()
    return {"": plain, "gzip": gzip.compress(plain, mtime=0), "deflate": zlib.compress(plain)}


class Body:
    """Takes a body of events in, as the route does: whole, as JSON, row by row."""

    def __init__(self, coding):
        self.headers = Headers({"content-encoding": coding} if coding else {})

    def __call__(self, data):
        async def receive():
            return {"type": "http.request", "body": data, "more_body": False}

        async def told():
            body = await read_body(self.headers, receive)

            async def again():
                return {"type": "http.request", "body": body, "more_body": False}

            return await StrictRequest({"type": "http"}, again).json()

        try:
            whole = asyncio.run(told())
        except (ValueError, RecursionError):
            return  # told where the body's form is looked at: 422
        events = whole.get("events") if isinstance(whole, dict) else None
        if isinstance(events, list) and 0 < len(events) <= 500:
            Intake(3650.0, 300.0).sort(events, NOW)


def asked(data):
    """A path and a query string, through what stands before every route."""
    path, _, query = data.partition(b"?")
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "raw_path": b"/" + path,
        "query_string": query,
        "headers": [],
        "state": {"request_id": "r"},
    }
    answers = []

    async def app(given, receive, send):
        refuse_unknown(given, {"k": False, "category": True, "after": False})

    async def send(message):
        answers.append(message)

    asyncio.run(NormalizingMiddleware(app)(scope, None, send))
    assert not answers or answers[0]["status"] == 400


def opens(data, key):
    """What a token is for, of which one is right for each; those that open nothing are refused."""
    text = data.decode("utf-8", "replace")
    if all(read_token(text, one, {key.id: key}.get) is None for one in Purpose):
        raise BadInputError("opens nothing")


def answered(data):
    """What a language model wrote, in whatever form, to what a shopper looks for."""
    asked, categories = "a rope for my sister, 20 to 50", ["Sports", "Home"]
    form = question_of_wish(asked, categories).form
    return read_wish(read_form(data.decode("utf-8", "replace"), form), asked, categories)


def readers(folder):
    """By name: whatever reads bytes from outside, and what it reads as it should be."""
    csv, lines, parquet = tables()
    key, _ = make_key("k", [Scope.LISTS], NOW)
    now = datetime.now(UTC)
    tokens = [mint(key, one, now, timedelta(minutes=5), "ana").encode() for one in Purpose]
    mapping = (
        b'events:\n  - file: "log-*.csv"\n    form: {delimiter: ";", encoding: latin-1}\n'
        b"    columns:\n      event_id: {digest: [order, sku]}\n      user_id: who\n"
        b"      item_id: sku\n"
        b"      event: {from: n, by_sign: {negative: return, positive: purchase}}\n"
        b'      ts: {from: at, format: "%d.%m.%Y", zone: Europe/Berlin}\n'
        b"ties: none\nitems: {from: events, title: name}\n"
    )
    rules = (
        b"rules:\n  - {rule: diversity, weight: 0.2}\n  - {rule: pin, items: [a], position: 2}\n"
    )
    wish = {"query": "rope", "price_min": 20, "price_max": 50.0, "in_stock": False}
    wish |= {"recipient": "my sister", "category": 1}
    answer = json.dumps(wish).encode()
    page = (Shown.read("", ABOUT).next_page(["a", "b"], ABOUT) or "").encode()
    found = {
        "csv": (Files(folder, "events.csv"), [csv]),
        "csv.gz": (Files(folder, "events.csv.gz"), [gzip.compress(csv, mtime=0)]),
        "json lines": (Files(folder, "events.jsonl"), [lines]),
        "parquet": (Files(folder, "events.parquet"), parquet),
        "token": (lambda data: opens(data, key), tokens),
        "file of keys": (
            lambda data: parse_keys(data, "keys.json"),
            [written([key, make_key("m", [Scope.ADMIN], NOW, NOW)[0]]).encode()],
        ),
        "mapping": (lambda data: parse_mapping(data.decode("utf-8", "replace")), [mapping]),
        "rules": (lambda data: read_rules(data.decode("utf-8", "replace"), "rules"), [rules]),
        "picture": (open_picture, pictures()),
        "sound": (open_sound, sounds()),
        "manifest": (lambda data: parse_manifest(data, "v1"), manifest()),
        "tensors": (lambda data: tensors_of(data, "x"), tensor_files()),
        "stored tensors": (lambda data: _tensors(data, "x"), tensor_files()),
        "query": (
            asked,
            [b"v1/users/ana%2Fb/x?k=3&category=a%20b&category=%C3%BC&after=", b"a?k=1"],
        ),
        "answer of a model": (answered, [answer, b"```json\n" + answer + b"\n```"]),
        "page": (
            lambda data: Shown.read(data.decode("latin-1"), ABOUT),
            [page],
        ),
    }
    for coding, body in bodies().items():
        found[f"body {coding}".strip()] = (Body(coding), [body])
    return found


def peak_bytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def tried(read, data):
    """What became of an input: read, refused, or what nobody expected of it."""
    began = time.process_time()
    try:
        read(data)
        said = "read"
    except (BadInputError, ProblemError) as error:
        said = "refused"
        if isinstance(error, ProblemError) and not 400 <= error.status < 500:
            return f"status {error.status}"
    except Exception:
        return traceback.format_exc(limit=-4)
    took = time.process_time() - began
    return said if took < PROCESSOR_S else f"took {took:.1f} s of the processor"


def fuzz(found, seed, counts, keep_going):
    """Spoil inputs of all readers in turn, until ``keep_going`` says no.

    Args:
        found: Of ``readers``.
        seed: The same one makes the same inputs.
        counts: What became of how many, by reader.
        keep_going: Called with the number of inputs of each.

    Returns:
        What nobody expected: reader, number, what was said, and the input.
    """
    chances = {name: random.Random(f"{seed} {name}") for name in found}
    finds, number, least = [], 0, peak_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        while keep_going(number):
            for name, (read, samples) in found.items():
                chance = chances[name]
                data = chance.choice(samples)
                if number >= len(samples):
                    data = spoil(data, samples, chance)
                elif tried(read, samples[number]) != "read":
                    finds.append((name, number, "a sample is not read", samples[number]))
                said = tried(read, data)
                if peak_bytes() - least > MORE_BYTES:
                    least = peak_bytes()
                    said = f"the process has {least >> 20} MiB now"
                counts[name, said if said in ("read", "refused") else "found"] += 1
                if said not in ("read", "refused"):
                    finds.append((name, number, said, data))
            number += 1
    return finds


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="+", default=[])
    given = parser.parse_args()
    counts, until = Counter(), time.monotonic() + given.seconds
    with TemporaryDirectory() as folder:
        found = readers(folder)
        found = {n: one for n, one in found.items() if not given.only or n in given.only}
        finds = fuzz(found, given.seed, counts, lambda _: time.monotonic() < until)
    for name in found:
        told = {what: counts[name, what] for what in ("read", "refused", "found")}
        print(f"{name:16}", told)
    print("inputs", sum(counts.values()), "found", len(finds))
    seen = set()
    for name, number, said, data in finds:
        last = said.strip().splitlines()[-1][:60]
        if (name, last) not in seen:
            seen.add((name, last))
            print(f"\n{name}, seed {given.seed}, input {number}: {said}\n{data[:300]!r}")
    return 1 if finds else 0


if __name__ == "__main__":
    sys.exit(main())
