"""Where an id is found, byte by byte: what a test of erasure looks through."""

import json

import pyarrow as pa
import pyarrow.parquet as pq


def forms_of(who):
    """An id as stores write it."""
    quoted = json.dumps(who, ensure_ascii=False)[1:-1]
    return {form.encode() for form in (who, quoted, json.dumps(who)[1:-1])}


def found_in_bytes(content, who):
    return any(form in content for form in forms_of(who))


def found_in_folder(folder, who):
    """Files of a folder that hold an id, or are named after it; tables are unpacked first."""
    found = []
    for file in sorted(folder.rglob("*")):
        if not file.is_file():
            continue
        content = file.read_bytes()
        if file.suffix == ".parquet":
            table = pq.read_table(pa.BufferReader(content))
            said = json.dumps(table.to_pylist(), ensure_ascii=False, default=str)
            content += said.encode() + str(table.schema.metadata).encode()
        if found_in_bytes(content + file.name.encode(), who):
            found.append(str(file.relative_to(folder)))
    return found


def found_in_redis(server, who):
    """Keys of a Redis that hold an id."""
    client = server.client()
    readers = {
        b"string": lambda key: client.get(key),
        b"hash": lambda key: client.hgetall(key),
        b"zset": lambda key: client.zrange(key, 0, -1),
        b"stream": lambda key: client.xrange(key),
        b"set": lambda key: client.smembers(key),
    }
    found = []
    for key in client.scan_iter(count=1000):
        parts = _parts(readers[client.type(key)](key))
        if any(found_in_bytes(part, who) for part in (key, *parts)):
            found.append(key.decode("utf-8", "replace"))
    client.close()
    return found


def _parts(value):
    if isinstance(value, dict):
        return [part for pair in value.items() for one in pair for part in _parts(one)]
    if isinstance(value, (list, tuple, set)):
        return [part for one in value for part in _parts(one)]
    return [value] if isinstance(value, bytes) else []
