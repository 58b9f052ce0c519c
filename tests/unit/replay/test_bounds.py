"""A recording asks for no more than is stated, whatever it says and however it is signed."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard

from lockstep.det.instant import START, Icount
from lockstep.errors import BadRecording
from lockstep.replay import bounds, care
from lockstep.replay.codec import decode_chunk
from lockstep.replay.format import Checkpoint, Manifest, SerialInput
from lockstep.replay.log import LogReader, LogWriter
from lockstep.replay.summary import summarize
from stress.crafted import parts as crafted
from stress.crafted.parts import Chunk, Parts

CHECKPOINT = [32, "machine-init", bytes(16), {}, {}, {}, 0]


@pytest.fixture
def parts(tmp_path: Path) -> Parts:
    path = tmp_path / "sound"
    log = LogWriter(path, Manifest({}, 0))
    log.append(START, Checkpoint("machine-init", bytes(16), {}, {}))
    log.append(Icount(5), SerialInput("serial0", b"x"))
    log.output("serial0").emit(b"the end\n")
    log.append(Icount(10), Checkpoint("shutdown", bytes(16), {}, {"serial0": 8}))
    log.finish(Icount(10), 1.0, "poweroff")
    return crafted.read(path)


def refused(parts: Parts, path: Path, match: str | None = None) -> None:
    """By all that read it; quickly."""
    crafted.write(parts, path)
    began = time.monotonic()
    for read in (check, summary, recover):
        with pytest.raises(BadRecording, match=match):
            read(path)
    assert time.monotonic() - began < 10


def check(path: Path) -> None:
    log = LogReader(path)
    try:
        care.check(log)
    finally:
        log.close()


def summary(path: Path) -> None:
    log = LogReader(path)
    try:
        summarize(log)
    finally:
        log.close()


def recover(path: Path) -> None:
    """What it can save is sound; nothing of what is too much is in it."""
    saved = care.recover(path, path.with_name("saved"))
    assert saved.lost
    check(path.with_name("saved"))
    raise BadRecording("; ".join(saved.lost))


def test_a_recording_put_together_again_is_sound(parts: Parts, tmp_path: Path) -> None:
    """Or all the others would be refused for nothing."""
    crafted.write(parts, tmp_path / "r")
    check(tmp_path / "r")


@pytest.mark.parametrize(
    ("event", "count", "chunks"),
    [
        ([16, "serial0", b"x"], 1 << 18, 6),
        ([16, "serial0", bytes(60 << 20)], 1, 3),
        ([18, "reset"], 100_000, 1),
        (CHECKPOINT, 300, 1),
        ([2, "board", b""], 70_000, 1),
    ],
    ids=["serial", "long", "resets", "checkpoints", "answers"],
)
def test_an_instant_is_bounded(
    parts: Parts, tmp_path: Path, event: list[Any], count: int, chunks: int
) -> None:
    many = Chunk(0, 0, [0] * count, [event] * count)
    many.raw = crafted.pack_chunk(many)
    first, *rest = parts.chunks
    parts.chunks = [Chunk(0, 0, first.steps[:1], first.events[:1]), *[many] * chunks]
    parts.chunks += [Chunk(0, 10, first.steps[1:], first.events[1:], first.outputs), *rest]
    parts.signed = False
    path = tmp_path / "r"
    crafted.write(parts, path)
    began = time.monotonic()
    for read in (check, summary):
        with pytest.raises(BadRecording, match=r"more is logged at instruction 0|was altered"):
            read(path)
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    "change",
    [
        lambda facts: facts.replace("{", '{"unknown":' + "[" * 200_000 + "]" * 200_000 + ",", 1),
        lambda facts: facts.replace("{", '{"unknown":' + '{"a":' * 65 + "0" + "}" * 65 + ",", 1),
        lambda facts: facts.replace("{", '{"unknown":"' + "x" * 30_000_000 + '",', 1),
        lambda facts: facts.replace("{", '{"unknown":' + "9" * 100_000 + ",", 1),
        lambda facts: "[" * 200_000,
        lambda facts: facts[:-1],
        lambda facts: "",
        lambda facts: "null",
        lambda facts: '"' + '\\"' * 500_000,
    ],
    ids=["deep", "deeper", "long", "digits", "open", "cut", "empty", "null", "unterminated"],
)
@pytest.mark.parametrize("where", ["manifest", "ending"])
def test_json_is_bounded(
    parts: Parts, tmp_path: Path, change: Callable[[str], str], where: str
) -> None:
    setattr(parts, where, change(getattr(parts, where)))
    crafted.write(parts, tmp_path / "r")
    try:
        check(tmp_path / "r")
    except BadRecording:
        return
    assert "9" * 100_000 in getattr(parts, where)  # which is in a field that nobody knows


def test_a_format_of_the_future_is_told(parts: Parts, tmp_path: Path) -> None:
    """By the manifest, too: what it means there, nobody here knows."""
    facts = json.loads(parts.manifest) | {"format": 99}
    parts.manifest = json.dumps(facts)
    refused(parts, tmp_path / "r", "format 99")


@pytest.mark.parametrize(
    "fields",
    [
        {"instructions": -5},
        {"instructions": 1 << 63},
        {"chunks": -1},
        {"duration_s": -1},
        {"outputs": {"serial0": -1}},
        {"outputs": {str(n): n for n in range(5000)}},
        {"chain": -1},
        {"stats": {"run_ns": 10**400}},
        {"locks": [{"lock": "x", "enabled": True, "holder": None, "threads": [
            {"thread": "x", "holds": 10**400, "waits": 0, "hand_overs": 0, "waited_ns": 0,
             "longest_wait_ns": 0}]}]},
        {"reason": None},
    ],
    ids=lambda fields: str(fields)[:40],
)  # fmt: skip
def test_numbers_of_the_ending_are_bounded(
    parts: Parts, tmp_path: Path, fields: dict[str, Any]
) -> None:
    assert parts.ending is not None
    parts.ending = json.dumps(json.loads(parts.ending) | fields)
    parts.signed = False
    crafted.write(parts, tmp_path / "r")
    with pytest.raises(BadRecording):
        check(tmp_path / "r")


@pytest.mark.parametrize(
    "fields",
    [
        {"digest_every": -5},
        {"digest_every": 10**400},
        {"images": [{"name": "kernel", "sha256": "ab" * 32, "size": -1}]},
        {"images": [{"name": "kernel", "sha256": "ab" * 32, "size": 1 << 60}]},
        {"images": [{"name": "kernel", "sha256": "ab" * 32, "size": 1}] * 17},
        {"revision": -1},
        {"machine": []},
        {"versions": {"a": 1}},
    ],
    ids=lambda fields: str(fields)[:40],
)
def test_numbers_of_the_manifest_are_bounded(
    parts: Parts, tmp_path: Path, fields: dict[str, Any]
) -> None:
    parts.manifest = json.dumps(json.loads(parts.manifest) | fields)
    refused(parts, tmp_path / "r")


DECODE = """
import resource, sys
from lockstep.errors import BadRecording
from lockstep.replay.codec import decode_chunk
data = open(sys.argv[1], "rb").read()
used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    decode_chunk(0, data)
except BadRecording:
    pass
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - used) >> 10)
"""


def names(count: int) -> dict[str, bytes]:
    return {f"{n:x}": b"\1\2" for n in range(count)}


@pytest.mark.parametrize(
    "body",
    [
        lambda: b"\x93" + msgspec.msgpack.encode([0] * 250_000)
        + b"\xdd\x00\x00\x00\x01\x92\xcc\xc8\xdd\x03\xff\xff\x00" + b"\x90" * 0x3FFFF00 + b"\xc0",
        lambda: msgspec.msgpack.encode(
            ([0] * 700, [[32, "x", b"", names(4000), {}]] * 700, None)
        ),
        lambda: msgspec.msgpack.encode(([0], [[32, "x", b"", names(1_000_000), {}]], None)),
        lambda: msgspec.msgpack.encode(([0] * 250_000, [[16, "s", bytes(200)]] * 250_000, None)),
    ],
    ids=["an unknown kind", "names", "very many names", "bytes"],
)  # fmt: skip
def test_a_chunk_takes_no_more_memory_than_is_stated(
    tmp_path: Path, body: Callable[[], bytes]
) -> None:
    """Small things in it unpack to much more than they take there."""
    path = tmp_path / "chunk"
    path.write_bytes(zstandard.compress(body(), 1))
    done = subprocess.run(
        [sys.executable, "-c", DECODE, path], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 500


def test_a_deep_event_is_an_error_of_ours() -> None:
    for depth in (400, 5_000_000):
        raw = b"\x93\x91\x00\x91\x92\xcc\xc8" + b"\x91" * depth + b"\xc0\xc0"
        data = zstandard.compress(raw, 1)
        try:
            decode_chunk(START, data)
        except BadRecording:
            continue
        assert depth == 400


def test_a_recorder_keeps_to_the_bounds_of_a_chunk(tmp_path: Path) -> None:
    """Small commits of much input are merged: not into one that nobody would read."""
    log = LogWriter(tmp_path / "r", Manifest({}, 0))
    for at in range(1, 20):
        log.append(Icount(at), SerialInput("serial0", bytes(4 << 20)))
        log.flush(Icount(at))
    log.finish(Icount(20), 1.0, "quit")
    reader = LogReader(tmp_path / "r")
    assert len(list(reader.events())) == 19
    assert reader.ending is not None
    assert reader.ending.chunks >= 19 * 4 * bounds.MIB // bounds.MAX_DECODED


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE VIRTUAL TABLE r USING rtree(a, b, c)",
        "CREATE TABLE g (a INTEGER CHECK (length(zeroblob(900000000)) > a))",
        "CREATE TABLE g (a INTEGER, b AS (a + 1))",
        "CREATE TABLE g (a DEFAULT (randomblob(1000000)))",
        "many tables",
    ],
)
def test_nothing_is_computed_for_a_stranger(parts: Parts, tmp_path: Path, statement: str) -> None:
    many = [f"CREATE TABLE t{n} (a)" for n in range(40)]
    parts.statements = many if statement == "many tables" else [statement]
    refused(parts, tmp_path / "r", "is not a lockstep recording")


def test_a_huge_schema_is_given_up(parts: Parts, tmp_path: Path) -> None:
    """Before it has been parsed."""
    parts.statements = ["BEGIN", *[f"CREATE TABLE t{n} (a)" for n in range(3_000)], "COMMIT"]
    crafted.write(parts, tmp_path / "r")
    with pytest.raises(BadRecording, match="its schema is too big"):
        check(tmp_path / "r")


def test_a_reader_may_do_nothing_but_read(parts: Parts, tmp_path: Path) -> None:
    crafted.write(parts, tmp_path / "r")
    log = LogReader(tmp_path / "r")
    for statement in (
        "ATTACH 'other' AS other",
        "CREATE TEMP TABLE x (a)",
        "SELECT randomblob(5)",
        "PRAGMA writable_schema=ON",
        "PRAGMA journal_mode=DELETE",
        "VACUUM INTO 'other'",
        "DELETE FROM chunks",
    ):
        with pytest.raises(Exception, match=r"not authorized|prohibited|denied"):
            log._file._db.execute(statement)
    log.close()
