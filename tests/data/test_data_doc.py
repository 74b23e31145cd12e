import re
from pathlib import Path

import pytest

from coterie.data.columns import MAX_SHORT_TEXT, MAX_TEXT, MAX_URI
from coterie.data.ids import MAX_ID
from coterie.data.ingest import IngestConfig, clean_files
from coterie.data.public import READERS
from coterie.schema import TABLES

DOC = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
WORDS = {"string": "text", "double": "number", "bool": "yes/no", "timestamp[us, tz=UTC]": "time"}


def section(name):
    found = re.search(rf"^### `{name}`.*?(?=^##)", DOC, re.MULTILINE | re.DOTALL)
    assert found, f"no section for {name}"
    return found[0]


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda t: t.name)
def test_the_document_has_the_columns_of_the_schema(table):
    rows = re.findall(r"^\| `(.*?)` \| (.*?) \| (.*?) ?\| (.*?) ?\|$", section(table.name), re.M)
    assert rows == [
        (c.name, WORDS[str(c.type)], "yes" if c.required else "", c.about) for c in table.columns
    ]
    assert f"One row for each {', '.join(f'`{k}`' for k in table.key)}." in section(table.name)
    assert ("(optional)" in section(table.name).splitlines()[0]) == table.optional


def test_the_document_has_the_tables_and_limits_of_the_code():
    assert re.findall(r"^### `(\w+)`", DOC, re.MULTILINE) == list(TABLES)
    assert all(name in DOC for name in clean_files())
    longest = max(MAX_TEXT.values())
    for limit in (f"{MAX_ID}", f"{MAX_SHORT_TEXT:,}", f"{longest:,}", f"{MAX_URI:,}"):
        assert f"{limit} characters" in DOC or f"text: {limit}" in DOC
    assert f"more than {IngestConfig().max_bad_share:.0%}".replace("%", " %") in DOC


def test_the_document_names_every_public_set():
    assert set(re.findall(r"^\| `(\w+)` \|", DOC.split("## Public data sets")[1], re.M)) == set(
        READERS
    )
