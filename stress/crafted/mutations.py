"""What a stranger who knows the format may do to a recording; all of it is signed afterwards."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, Final

import msgspec
import zstandard

from stress.crafted import nasty
from stress.crafted.parts import Chunk, Parts, Text, pack_chunk

_MANY: Final = (1, 1, 1, 1, 1, 2, 2, 2, 2, 17, 17, 17, 300, 300, 5_000, 70_000)
_MOST_BYTES: Final = 100 << 20
_DEPTHS: Final = (10, 65, 1_000, 200_000)
_KINDS: Final = (0, 1, 2, 3, 16, 17, 18, 19, 20, 31, 32, 33, 127, 128, 255, 1 << 40, -1, "x", None)
_REASONS: Final = ("machine-init", "reset", "warp", "periodic", "shutdown", "", "\x1b[2J")


# Manifest and ending.


def change_json(parts: Parts, rng: random.Random) -> None:
    """A value anywhere in it becomes another."""

    def change(tree: Any) -> None:
        holder, key = _anywhere(tree, rng)
        holder[key] = nasty.value(rng)

    _edit(parts, rng, change)


def drop_json(parts: Parts, rng: random.Random) -> None:
    def drop(tree: Any) -> None:
        holder, key = _anywhere(tree, rng)
        del holder[key]

    _edit(parts, rng, drop)


def add_json(parts: Parts, rng: random.Random) -> None:
    def add(tree: Any) -> None:
        tree[rng.choice(nasty.TEXTS)[:300]] = nasty.value(rng)

    _edit(parts, rng, add)


def change_option(parts: Parts, rng: random.Random) -> None:
    """Of the machine."""
    tree = msgspec.json.decode(parts.manifest)
    machine = tree.get("machine")
    if isinstance(machine, dict) and machine:
        machine[rng.choice(sorted(machine))] = nasty.value(rng)
    parts.manifest = msgspec.json.encode(tree).decode()


def splice_json(parts: Parts, rng: random.Random) -> None:
    """What is no JSON, or only just, in place of some of its text."""
    _set_json(parts, rng, lambda text: _splice(text, rng.choice(nasty.RAW_JSON), rng))


def nest_json(parts: Parts, rng: random.Random) -> None:
    """In a field that nobody knows."""
    deep = nasty.deep(rng.choice(_DEPTHS))
    if rng.random() < 0.3:
        deep = '{"a":' * len(deep) + "0" + "}" * len(deep)
    _set_json(parts, rng, lambda text: f'{{"unknown":{deep},{text[1:]}')


def lengthen_json(parts: Parts, rng: random.Random) -> None:
    long = '"' + "x" * rng.choice((1_000, 1 << 20, 30_000_000)) + '"'
    name = rng.choice(("unknown", "reason", "created", "machine"))
    _set_json(parts, rng, lambda text: f'{{"{name}":{long},{text[1:]}')


# Events.


def change_event(parts: Parts, rng: random.Random) -> None:
    event = _event(parts, rng)
    event[rng.randrange(len(event))] = nasty.packable(rng)


def change_kind(parts: Parts, rng: random.Random) -> None:
    _event(parts, rng)[0] = rng.choice(_KINDS)


def shorten_event(parts: Parts, rng: random.Random) -> None:
    event = _event(parts, rng)
    del event[rng.randrange(len(event)) :]


def lengthen_event(parts: Parts, rng: random.Random) -> None:
    more: Any = nasty.packable(rng, inner=True)
    for _ in range(rng.choice((0, 0, 5, 400))):
        more = [more]
    _event(parts, rng).extend([more] * rng.choice((1, 3, 1000)))


def repeat_event(parts: Parts, rng: random.Random) -> None:
    """At the same instant."""
    chunk, at = _place(parts, rng)
    count = _many(chunk.events[at], rng)
    chunk.events[at:at] = [chunk.events[at]] * count
    chunk.steps[at + 1 : at + 1] = [0] * count


def insert_event(parts: Parts, rng: random.Random) -> None:
    chunk, at = _place(parts, rng)
    new = _new_event(rng)
    count = _many(new, rng)
    chunk.events[at:at] = [new] * count
    chunk.steps[at:at] = [0] * count


def drop_event(parts: Parts, rng: random.Random) -> None:
    chunk, at = _place(parts, rng)
    del chunk.events[at]
    if rng.random() < 0.8:
        step = chunk.steps.pop(at)
        if at < len(chunk.steps):
            chunk.steps[at] += step


def swap_events(parts: Parts, rng: random.Random) -> None:
    chunk, at = _place(parts, rng)
    other = rng.randrange(len(chunk.events))
    chunk.events[at], chunk.events[other] = chunk.events[other], chunk.events[at]


def change_step(parts: Parts, rng: random.Random) -> None:
    chunk, at = _place(parts, rng)
    chunk.steps[at] = rng.choice((0, 1, 7, -1, 1 << 62, (1 << 64) - 1, 1.5, "x", None))


def fill_names(parts: Parts, rng: random.Random) -> None:
    """Of a checkpoint: very many, very short ones."""
    count = rng.choice((10, 10, 100, 100, 5_000, 200_000))
    names = {f"{n:x}": b"" for n in range(count)}
    new = [32, rng.choice(_REASONS), bytes(16), names, {f"{n:x}": 0 for n in range(count)}]
    chunk, at = _place(parts, rng)
    chunk.events[at:at] = [new] * rng.choice((1, 3))
    chunk.steps[at:at] = [0] * (len(chunk.events) - len(chunk.steps))


# Chunks.


def repeat_chunk(parts: Parts, rng: random.Random) -> None:
    """All at one instant, and still without gaps."""
    at = rng.randrange(len(parts.chunks))
    chunk = parts.chunks[at]
    again = Chunk(chunk.first, chunk.first, [0] * len(chunk.events), chunk.events, chunk.outputs)
    if rng.random() < 0.2:
        size, count = rng.choice(((1, 1 << 18), (1, 1000), (1 << 16, 900), (60 << 20, 1)))
        again.events = [[16, "serial0", bytes(size)]] * count
        again.steps = [0] * count
    again.raw = pack_chunk(again)
    parts.chunks[at:at] = [again] * rng.choice((1, 1, 1, 3, 3, 40))


def change_range(parts: Parts, rng: random.Random) -> None:
    chunk = rng.choice(parts.chunks)
    name = rng.choice(("first", "upto"))
    setattr(chunk, name, rng.choice((*nasty.NUMBERS[:12], "x", None, b"", 1.5, chunk.upto + 1)))


def change_outputs(parts: Parts, rng: random.Random) -> None:
    rng.choice(parts.chunks).outputs = rng.choice(
        (None, {}, {"serial0": 1 << 40}, {"serial0": -1}, {"\x1b[2J": 5}, nasty.packable(rng))
    )


def replace_chunk(parts: Parts, rng: random.Random) -> None:
    """By any other MessagePack, by a bomb, or by what is no frame."""
    body = rng.choice(
        (
            msgspec.msgpack.encode(nasty.packable(rng)),
            b"\x91" * rng.choice((100, 100_000, 5_000_000)) + b"\xc0",
            b"\x93\x90" + b"\xdd\xff\xff\xff\xff" * 3,
            b"\x93\xdd\x00\x03\xff\xff" + bytes(1 << 18) + b"\xdd\x00\x03\xff\xff" + b"\x90" * 9,
            bytes(rng.choice((1, 1 << 20, (64 << 20) + 1, 200 << 20))),
            b"\x93\x90\x90" + b"\x81\xa0" * rng.choice((3, 3000)) + b"\xc0",
        )
    )
    known = rng.random() < 0.8
    raw: bytes = zstandard.ZstdCompressor(level=1, write_content_size=known).compress(body)
    if rng.random() < 0.2:
        raw = raw[: rng.randrange(len(raw))]
    rng.choice(parts.chunks).raw = raw


def drop_chunks(parts: Parts, rng: random.Random) -> None:
    at = rng.randrange(len(parts.chunks))
    del parts.chunks[at : at + rng.choice((1, 1, 100))]


# Output.


def change_text(parts: Parts, rng: random.Random) -> None:
    text = rng.choice(parts.texts)
    which = rng.randrange(4)
    if which == 0:
        text.port = rng.choice((*nasty.TEXTS, None, 5, b"serial0"))
    elif which == 1:
        text.start = nasty.stored(rng)
    elif which == 2:
        text.data = rng.choice((b"", text.data[1:], text.data + b"\x1b[6n", bytes(3 << 20)))
    else:
        text.raw = rng.choice((b"", b"x", zstandard.compress(bytes(200 << 20), 1)))


def repeat_text(parts: Parts, rng: random.Random) -> None:
    text = rng.choice(parts.texts)
    parts.texts += [text] * rng.choice((1, 100, 5000))


def add_ports(parts: Parts, rng: random.Random) -> None:
    parts.texts += [Text(f"port{n}", 0, b"x") for n in range(rng.choice((1, 100, 5000)))]


# The database.

_STATEMENTS: Final = (
    "CREATE VIEW v AS SELECT 1",
    "CREATE TRIGGER t AFTER INSERT ON chunks BEGIN DELETE FROM chunks; END",
    "CREATE INDEX i ON chunks (first)",
    "CREATE VIRTUAL TABLE f USING fts5(x)",
    "CREATE VIRTUAL TABLE r USING rtree(a, b, c)",
    "CREATE TABLE more (a INTEGER, b BLOB)",
    "CREATE TABLE g (a INTEGER, b AS (randomblob(a)) STORED)",
    "CREATE TABLE g (a INTEGER CHECK (length(zeroblob(900000000)) > a))",
    "CREATE TABLE k (a TEXT PRIMARY KEY, b) WITHOUT ROWID",
    "ALTER TABLE chunks RENAME TO chunk",
    "ALTER TABLE chunks ADD COLUMN more",
    "ALTER TABLE ending RENAME COLUMN json TO text",
    "DROP TABLE images",
    "DROP TABLE transcript",
    "DELETE FROM manifest",
    "DELETE FROM chunks",
    "UPDATE chunks SET crc = crc + 1",
    "UPDATE chunks SET id = id * 1000000007",
    "UPDATE chunks SET id = -id",
    "UPDATE chunks SET data = NULL",
    "UPDATE chunks SET data = 'text'",
    "UPDATE manifest SET json = NULL",
    "UPDATE manifest SET json = CAST(json AS BLOB)",
    "UPDATE ending SET crc = 'x'",
    "INSERT INTO manifest SELECT * FROM manifest",
    "INSERT INTO ending SELECT * FROM ending",
    "PRAGMA user_version=0",
    "PRAGMA user_version=2",
    "PRAGMA user_version=-1",
    "PRAGMA user_version=2147483647",
    "PRAGMA application_id=0",
    "PRAGMA journal_mode=WAL",
    "PRAGMA writable_schema=ON",
    "VACUUM",
)
_SCHEMAS: Final = (
    "UPDATE sqlite_schema SET rootpage = 1",
    "UPDATE sqlite_schema SET rootpage = 1000000",
    "UPDATE sqlite_schema SET rootpage = 0 WHERE name = 'chunks'",
    "UPDATE sqlite_schema SET sql = sql || ' -- '",
    "UPDATE sqlite_schema SET sql = NULL",
    "UPDATE sqlite_schema SET sql = zeroblob(2000000)",
    "UPDATE sqlite_schema SET sql = 'CREATE TABLE chunks (' || hex(zeroblob(4000)) || ')'",
    "UPDATE sqlite_schema SET type = 'view', sql = 'CREATE VIEW chunks AS SELECT 1' "
    "WHERE name = 'chunks'",
    "INSERT INTO sqlite_schema SELECT * FROM sqlite_schema",
    "INSERT INTO sqlite_schema VALUES ('table', 'x', 'x', 3, 'CREATE TABLE x (a)')",
)


def change_database(parts: Parts, rng: random.Random) -> None:
    parts.statements += rng.sample(_STATEMENTS, rng.choice((1, 1, 3)))


def change_schema(parts: Parts, rng: random.Random) -> None:
    parts.statements += ["PRAGMA writable_schema=ON", rng.choice(_SCHEMAS)]


def many_tables(parts: Parts, rng: random.Random) -> None:
    parts.statements += [
        f"CREATE TABLE t{n} (a)" for n in range(rng.choice((1, 26, 27, 28, 28, 2000)))
    ]


def store_another_type(parts: Parts, rng: random.Random) -> None:
    table, column = rng.choice(
        (("chunks", "first"), ("chunks", "upto"), ("chunks", "crc"), ("chunks", "data"),
         ("transcript", "port"), ("transcript", "start"), ("manifest", "crc"), ("ending", "json"))
    )  # fmt: skip
    new = nasty.stored(rng)
    literal = f"x'{new.hex()}'" if isinstance(new, bytes) else "NULL" if new is None else repr(new)
    parts.statements.append(f"UPDATE {table} SET {column} = {literal}")


def add_image(parts: Parts, rng: random.Random) -> None:
    """More of them, or other ones."""
    sha256 = rng.choice(("ab" * 32, "x", "", *(each[0] for each in parts.images)))
    data = rng.choice((b"", b"x", zstandard.compress(bytes(rng.choice((1, 300 << 20))), 1)))
    image = (sha256, rng.choice((0, 1, -1, 1 << 40, 300 << 20)), data)
    parts.images += [image] * rng.choice((1, 17, 300))


def change_image(parts: Parts, rng: random.Random) -> None:
    if parts.images:
        at = rng.randrange(len(parts.images))
        sha256, size, data = parts.images[at]
        parts.images[at] = rng.choice(
            ((sha256, -1, data), (sha256, size + 1, data), (sha256, size, data[:-1]),
             (sha256, 1 << 62, zstandard.compress(bytes(300 << 20), 1)), (sha256, None, None))
        )  # fmt: skip


# What lies beside it.

_SIDES: Final = ("-wal", "-shm", "-journal")


def put_beside(parts: Parts, rng: random.Random) -> None:
    """A text names what is made there: see trial."""
    wal = b"\x37\x7f\x06\x82" + bytes(28) + rng.randbytes(2000)
    parts.sides[rng.choice(_SIDES)] = rng.choice(
        ("super-journal", "link", "zero", "fifo", "directory", "sparse",
         b"", b"x", bytes(32768), rng.randbytes(5000), wal)
    )  # fmt: skip
    if rng.random() < 0.3:
        parts.statements.append("PRAGMA journal_mode=WAL")


Mutation = Callable[[Parts, random.Random], None]

MUTATIONS: Final[tuple[Mutation, ...]] = (
    change_json, change_json, drop_json, add_json, change_option, change_option, splice_json,
    nest_json, lengthen_json, change_event, change_event, change_event, change_kind, shorten_event,
    lengthen_event, repeat_event, insert_event, insert_event, drop_event, swap_events, change_step,
    fill_names, repeat_chunk, change_range, change_outputs, replace_chunk, drop_chunks, change_text,
    repeat_text, add_ports, change_database, change_schema, many_tables, store_another_type,
    add_image, change_image, put_beside, put_beside,
)  # fmt: skip


def alter(parts: Parts, rng: random.Random) -> str:
    """Do one to three things to it; what was done."""
    done = []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        mutation = rng.choice(MUTATIONS)
        try:
            mutation(parts, rng)
        except (LookupError, TypeError, ValueError, AttributeError, RecursionError):
            continue  # another one has left nothing of that kind
        done.append(mutation.__name__)
    parts.signed = rng.random() < 0.9
    return " ".join(done)


def _edit(parts: Parts, rng: random.Random, change: Callable[[Any], None]) -> None:
    def edited(text: str) -> str:
        tree = msgspec.json.decode(text)
        change(tree)
        return _dump(tree)

    _set_json(parts, rng, edited)


def _dump(tree: Any) -> str:
    """msgspec writes no number beyond 64 bits."""
    if isinstance(tree, dict):
        return "{" + ",".join(f"{_dump(str(k))}:{_dump(v)}" for k, v in tree.items()) + "}"
    if isinstance(tree, list):
        return "[" + ",".join(_dump(each) for each in tree) + "]"
    if isinstance(tree, int) and not isinstance(tree, bool):
        return str(tree)
    return msgspec.json.encode(tree).decode()


def _set_json(parts: Parts, rng: random.Random, change: Callable[[str], str]) -> None:
    if parts.ending is not None and rng.random() < 0.5:
        parts.ending = change(parts.ending)
    else:
        parts.manifest = change(parts.manifest)


def _splice(text: str, new: str, rng: random.Random) -> str:
    colons = [at for at, each in enumerate(text) if each == ":"]
    at = rng.choice(colons) + 1
    end = min((text.find(each, at) for each in ",}]" if text.find(each, at) > 0), default=at)
    return text[:at] + new + text[end:]


def _anywhere(tree: Any, rng: random.Random) -> tuple[Any, Any]:
    """A place in it: what holds it, and its key there."""
    holder, key = tree, rng.choice(list(tree))
    while isinstance(holder[key], dict | list) and holder[key] and rng.random() < 0.8:
        holder = holder[key]
        key = rng.choice(list(holder)) if isinstance(holder, dict) else rng.randrange(len(holder))
    return holder, key


def _place(parts: Parts, rng: random.Random) -> tuple[Chunk, int]:
    chunk = rng.choice([each for each in parts.chunks if each.events])
    return chunk, rng.randrange(len(chunk.events))


def _event(parts: Parts, rng: random.Random) -> list[Any]:
    """A random one, to be changed."""
    chunk, at = _place(parts, rng)
    chunk.events[at] = list(chunk.events[at])
    event: list[Any] = chunk.events[at]
    return event


def _many(event: Any, rng: random.Random) -> int:
    """So many of them as this process can hold."""
    return min(rng.choice(_MANY), 1 + _MOST_BYTES // len(msgspec.msgpack.encode(event)))


def _new_event(rng: random.Random) -> list[Any]:
    port = rng.choice(("serial0", "serial0-break", "rtc", "board", "power", "warp", "\x1b[2J", ""))
    data = rng.choice((b"", b"x", bytes(8), b"\xff" * 8, rng.randbytes(70), bytes(1 << 20)))
    return rng.choice(
        (
            [1, port, rng.choice((0, 1, (1 << 64) - 1))],
            [2, port, data],
            [3, port, rng.choice(nasty.TEXTS), data],
            [16, port, data],
            [17, rng.choice((None, 0, 1, 1 << 55, (1 << 64) - 1))],
            [18, rng.choice(("reset", "shutdown", "quit", "interrupt", "idle", "\x1b[2J"))],
            [19, port, data],
            [32, rng.choice(_REASONS), bytes(16), {}, {}, {}, 0],
            [200, nasty.packable(rng, inner=True)],
        )
    )
