"""Recordings checked, saved from damage, and packed; and what is never done to them."""

from __future__ import annotations

import hashlib
import random
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from fakes.recordings import alter_about, alter_chunk, tamper
from fakes.toys import ScriptedWorld, ToyMachine
from lockstep.det.instant import Icount
from lockstep.det.locks import Locks
from lockstep.det.world import Arrival
from lockstep.errors import BadRecording, HostFailure, LockstepError, UsageError
from lockstep.replay import care, codec
from lockstep.replay.care.writing import write_recording
from lockstep.replay.file import RecordingFile
from lockstep.replay.format import Image, Manifest, Warp
from lockstep.replay.log import LogReader, LogWriter
from lockstep.replay.merge import merge_chunks, merge_texts
from lockstep.replay.recorder import Recorder
from lockstep.replay.regular import beside
from lockstep.replay.replayer import Replayer

KERNEL = b"kernel" * 1000
SHA256 = hashlib.sha256(KERNEL).hexdigest()
MANIFEST = Manifest({}, 100, images=(Image("kernel", SHA256, len(KERNEL)),))


def make(path: Path, *, finish: bool = True, embed: bool = True, commits: int = 5) -> Path:
    """A toy machine, recorded for 100 instructions between any two commits."""
    locks = Locks(enabled=True)
    locks.replay.acquire()
    log = LogWriter(path, MANIFEST, {SHA256: KERNEL} if embed else {})
    machine = ToyMachine()
    script = [(n, Arrival("serial0", b"x")) for n in range(0, 1000, 30)]
    recorder = Recorder(ScriptedWorld(script), log, lambda: machine.now, locks.replay)
    recorder.checkpoint("machine-init", machine.now, machine.digests)
    for _ in range(commits):
        until = machine.now + 100
        while machine.now < until:
            recorder.checkpoint("periodic", machine.now, machine.digests)
            recorder.arrivals(machine.now)
            machine.step(recorder)
        log.flush(machine.now)
    if finish:
        recorder.checkpoint("shutdown", machine.now, machine.digests)
        log.finish(machine.now, 2.5, "guest shutdown")
    else:
        log.close()
    return path


def replay(path: Path) -> Icount:
    """Replay it with a toy machine; the instant that it got to."""
    log = LogReader(path)
    locks = Locks(enabled=True)
    locks.replay.acquire()
    machine = ToyMachine()
    replayer = Replayer(log, lambda: machine.now, locks.replay)
    replayer.checkpoint("machine-init", machine.now, machine.digests)
    while True:
        replayer.checkpoint("periodic", machine.now, machine.digests)
        replayer.arrivals(machine.now)
        if machine.now >= log.end():
            break
        machine.step(replayer)
    if log.ended:
        replayer.checkpoint("shutdown", machine.now, machine.digests)
    replayer.check_finished()
    log.close()
    return machine.now


def check(path: Path) -> None:
    log = LogReader(path)
    try:
        care.check(log)
    finally:
        log.close()


def test_a_whole_recording_is_recovered_as_it_is(tmp_path: Path) -> None:
    """There is nothing to lose."""
    source = make(tmp_path / "whole")
    saved = care.recover(source, tmp_path / "saved")
    assert saved.complete
    assert saved.lost == ()
    assert (saved.instructions, saved.output_bytes) == (500, 26)
    assert LogReader(tmp_path / "saved").ending == LogReader(source).ending
    assert LogReader(tmp_path / "saved").image(SHA256) == KERNEL
    assert replay(tmp_path / "saved") == 500


def test_a_killed_recording_becomes_one_plain_file(tmp_path: Path) -> None:
    """Complete, to where it was cut."""
    source = make(tmp_path / "killed", finish=False)
    saved = care.recover(source, tmp_path / "saved")
    assert (saved.complete, saved.lost, saved.instructions) == (False, (), 500)
    log = LogReader(tmp_path / "saved")
    assert log.complete
    assert not log.ended
    assert log.ending is not None
    assert log.ending.reason == "cut"
    assert not list(tmp_path.glob("saved*-*"))
    check(tmp_path / "saved")
    assert replay(tmp_path / "saved") == 500


@pytest.mark.parametrize("chunk", [2, 3, 5])
def test_what_comes_before_a_damaged_chunk_is_saved(tmp_path: Path, chunk: int) -> None:
    """To the instruction at which it begins, output included."""
    source = make(tmp_path / "damaged", finish=False)
    tamper(source, f"UPDATE chunks SET data = zeroblob(9) WHERE id = {chunk}")
    saved = care.recover(source, tmp_path / "saved")
    assert saved.instructions == (chunk - 1) * 100
    assert "checksum" in saved.lost[0]
    check(tmp_path / "saved")
    assert replay(tmp_path / "saved") == saved.instructions


def test_events_that_were_altered_are_not_saved(tmp_path: Path) -> None:
    """The checksum that runs through the log tells; it is cut at the checkpoint before."""
    source = make(tmp_path / "altered", finish=False)
    log = LogReader(source)
    row, chunk = list(log.chunks())[3]
    logged = [each for each in chunk.logged if each.event.kind != "serial"]
    alter_chunk(source, 4, codec.encode_chunk(Icount(row.first), logged, chunk.outputs))
    saved = care.recover(source, tmp_path / "saved")
    assert saved.instructions == 300
    assert "altered" in saved.lost[0]
    assert replay(tmp_path / "saved") == 300


def test_output_that_is_missing_moves_the_end_to_where_it_is_not(tmp_path: Path) -> None:
    """A replay checks every byte of it."""
    source = make(tmp_path / "damaged")
    tamper(source, "UPDATE transcript SET data = zeroblob(9)")
    with pytest.raises(BadRecording, match="checksum"):
        check(source)
    with pytest.raises(BadRecording, match="nothing of"):
        care.recover(source, tmp_path / "saved")
    source = make(tmp_path / "shorter", finish=False)
    tamper(source, "DELETE FROM transcript WHERE start > 5")
    saved = care.recover(source, tmp_path / "saved")
    assert (saved.instructions, saved.output_bytes) == (300, 12)
    assert saved.lost == ("output: its end is missing",)
    assert replay(tmp_path / "saved") == 300


def test_a_damaged_image_costs_only_the_image(tmp_path: Path) -> None:
    """Its file may still be there."""
    source = make(tmp_path / "damaged")
    tamper(source, "UPDATE images SET data = zeroblob(9)")
    saved = care.recover(source, tmp_path / "saved")
    assert saved.complete
    assert saved.lost == ("the embedded kernel: replay will look for its file",)
    assert LogReader(tmp_path / "saved").embedded() == set()


def test_a_truncated_recording_is_saved_as_far_as_it_goes(tmp_path: Path) -> None:
    """Wherever it was cut off: something that replays, or nothing and an error."""
    source = make(tmp_path / "whole", finish=False, commits=60)
    (tmp_path / "x").mkdir()
    care.recover(source, tmp_path / "plain")
    ends = set()
    whole = (tmp_path / "plain").read_bytes()
    for size in range(len(whole), 0, -1024):
        cut = tmp_path / "x" / "cut"
        cut.write_bytes(whole[:size])
        try:
            saved = care.recover(cut, tmp_path / "x" / "saved")
        except BadRecording:
            continue
        ends.add(saved.instructions)
        assert replay(tmp_path / "x" / "saved") == saved.instructions
        assert cut.read_bytes() == whole[:size]
    assert 6000 in ends


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM manifest",
        "UPDATE manifest SET json = '{'",
        "DELETE FROM chunks",
        "UPDATE chunks SET crc = 0",
        "DROP TABLE chunks",
    ],
)
def test_nothing_to_save_is_an_error(tmp_path: Path, statement: str) -> None:
    """With status 4 and no file left behind."""
    source = make(tmp_path / "damaged")
    tamper(source, statement)
    with pytest.raises(BadRecording) as caught:
        care.recover(source, tmp_path / "saved")
    assert caught.value.remedy
    assert [each.name for each in tmp_path.iterdir()] == ["damaged"]


def test_recovery_never_touches_what_it_reads(tmp_path: Path) -> None:
    """Not the recording, not its -wal file, not its directory."""
    source = make(tmp_path / "killed", finish=False)
    before = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
    care.recover(source, Path(tmp_path.parent) / "saved")
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == before
    alias = tmp_path / "alias"
    alias.hardlink_to(source)
    for target in (source, alias):
        with pytest.raises(UsageError, match="not changed"):
            care.recover(source, target)


def test_nothing_but_a_recording_is_replaced(tmp_path: Path) -> None:
    """Neither by recovery nor by packing."""
    source = make(tmp_path / "whole")
    thesis = tmp_path / "thesis"
    thesis.write_text("years of work")
    with pytest.raises(UsageError, match="not overwritten"):
        care.recover(source, thesis)
    with pytest.raises(UsageError, match="not overwritten"):
        care.pack(LogReader(source), {}, thesis)
    assert thesis.read_text() == "years of work"


def test_packing_adds_the_images_and_changes_nothing_else(tmp_path: Path) -> None:
    """In place, too."""
    source = make(tmp_path / "r", embed=False)
    log = LogReader(source)
    assert log.embedded() == set()
    events = list(log.events())
    for target in (tmp_path / "packed", source):
        care.pack(log, {SHA256: KERNEL}, target)
        packed = LogReader(target)
        assert packed.image(SHA256) == KERNEL
        assert list(packed.events()) == events
        assert packed.ending == log.ending
        assert packed.manifest == log.manifest
        assert replay(target) == 500


def test_what_is_still_being_written_is_not_replaced(tmp_path: Path) -> None:
    """Its writer would go on writing into a file that has no name any more."""
    growing, whole = tmp_path / "growing", make(tmp_path / "whole", embed=False)
    log = LogWriter(growing, MANIFEST)
    log.flush(Icount(100))
    for source in (growing, whole):
        with pytest.raises(UsageError, match="being recorded") as caught:
            care.pack(LogReader(source), {SHA256: KERNEL}, growing)
        assert "-o" in caught.value.remedy
    care.pack(LogReader(growing), {SHA256: KERNEL}, tmp_path / "packed")
    assert not LogReader(tmp_path / "packed").complete
    log.finish(Icount(200), 1.0, "quit")
    assert LogReader(growing).complete


KILLED = """
import os, signal, sys
from pathlib import Path
from lockstep.det.instant import Icount
from lockstep.replay.format import Manifest, Warp
from lockstep.replay.log import LogWriter
log = LogWriter(Path(sys.argv[1]), Manifest({}, 0))
log.append(Icount(7), Warp(1))
log.flush(Icount(9))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_recording_is_packed_in_place(tmp_path: Path) -> None:
    """With what its -wal file holds."""
    path = tmp_path / "killed"
    subprocess.run([sys.executable, "-c", KILLED, path], check=False)
    assert (tmp_path / "killed-wal").stat().st_size
    care.pack(LogReader(path), {SHA256: KERNEL}, path)
    packed = LogReader(path)
    assert (packed.complete, packed.end(), packed.image(SHA256)) == (False, 9, KERNEL)
    assert [each.event for each in packed.events()] == [Warp(1)]
    assert list(tmp_path.iterdir()) == [path]


def test_a_killed_recording_is_replaced_with_its_side_files(tmp_path: Path) -> None:
    """SQLite would read its -wal file into the new one."""
    source, target = make(tmp_path / "r"), tmp_path / "killed"
    for way in (
        lambda: care.pack(LogReader(source), {}, target),
        lambda: care.recover(source, target),
    ):
        subprocess.run([sys.executable, "-c", KILLED, target], check=False)
        way()
        assert replay(target) == 500


def test_a_recording_that_begins_while_it_is_written_is_not_replaced(tmp_path: Path) -> None:
    source, target = make(tmp_path / "r"), tmp_path / "target"
    log, begun = LogReader(source), list[LogWriter]()

    def begin() -> Iterator[tuple[str, bytes]]:
        begun.append(LogWriter(target, MANIFEST))
        begun[0].flush(Icount(1))
        yield SHA256, KERNEL

    with pytest.raises(UsageError, match="being recorded"):
        write_recording(target, log.manifest, begin(), merge_chunks(log.chunks()), [], None)
    begun[0].finish(Icount(2), 1.0, "quit")
    assert LogReader(target).end() == 2
    assert sorted(each.name for each in tmp_path.iterdir()) == ["r", "target"]


def test_packing_keeps_the_permissions_and_follows_links(tmp_path: Path) -> None:
    source, link = make(tmp_path / "r", embed=False), tmp_path / "link"
    source.chmod(0o600)
    link.symlink_to("r")
    care.pack(LogReader(link), {SHA256: KERNEL}, link)
    assert link.is_symlink()
    assert source.stat().st_mode & 0o777 == 0o600
    assert LogReader(source).image(SHA256) == KERNEL


def test_two_may_write_one_recording_at_once(tmp_path: Path) -> None:
    """The last one is there in the end, and whole."""
    source, target = make(tmp_path / "r", embed=False), tmp_path / "target"

    def another() -> Iterator[tuple[str, bytes]]:
        care.pack(LogReader(source), {}, target)
        assert replay(target) == 500
        yield SHA256, KERNEL

    log = LogReader(source)
    texts = merge_texts(log.texts())
    write_recording(target, log.manifest, another(), merge_chunks(log.chunks()), texts, None)
    assert LogReader(target).image(SHA256) == KERNEL
    assert sorted(each.name for each in tmp_path.iterdir()) == ["r", "target"]


def test_a_target_that_cannot_be_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    source = make(tmp_path / "r")
    for target in (tmp_path / "no" / "such", tmp_path / ("x" * 300)):
        for way in (
            lambda t: care.recover(source, t),
            lambda t: care.pack(LogReader(source), {}, t),
        ):
            with pytest.raises(LockstepError) as caught:
                way(target)
            assert caught.value.remedy


@pytest.mark.parametrize("problem", ["a full disk", "a reader"])
def test_what_cannot_be_made_one_file_replaces_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: str
) -> None:
    """Its -wal file would be left behind under another name."""
    path = make(tmp_path / "r", embed=False)
    before, readers, finish = path.read_bytes(), list[sqlite3.Connection](), RecordingFile.finish

    def hindered(file: RecordingFile) -> bool:
        if problem == "a reader":
            readers.append(sqlite3.connect(file.path, isolation_level=None))
            readers[0].execute("BEGIN")
            readers[0].execute("SELECT * FROM manifest").fetchall()
            return finish(file)
        size = beside(file.path, "-wal").stat().st_size // 2
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
        try:
            return finish(file)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    monkeypatch.setattr(RecordingFile, "finish", hindered)
    with pytest.raises(HostFailure, match="could not be made one file"):
        care.pack(LogReader(path), {SHA256: random.Random(1).randbytes(100_000)}, path)
    for each in readers:
        each.close()
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_damage_is_not_packed(tmp_path: Path) -> None:
    """Its checksums would be right afterwards."""
    source = make(tmp_path / "r")
    tamper(source, "UPDATE chunks SET data = zeroblob(9)")
    with pytest.raises(BadRecording, match="checksum"):
        care.pack(LogReader(source), {SHA256: KERNEL}, tmp_path / "packed")
    assert not (tmp_path / "packed").exists()


def test_a_full_disk_leaves_no_half_a_recording(tmp_path: Path, monkeypatch) -> None:
    """Whatever goes wrong while it is written."""
    source = make(tmp_path / "r")
    monkeypatch.setattr("os.replace", lambda source, target: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        care.pack(LogReader(source), {SHA256: KERNEL}, tmp_path / "packed")
    monkeypatch.undo()
    assert not list(tmp_path.glob("*.part*"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda ending: ending["outputs"].update(serial0=27), "gap in the output"),
        (lambda ending: ending["stats"].update(run_ns=10**400), "out of range|<="),
        (lambda ending: ending["stats"].update(run_ns="long"), "Expected"),
        (lambda ending: ending.update(instructions=501), "missing at its end"),
        (lambda ending: ending.update(chunks=2), "missing at its end"),
        (lambda ending: ending.update(chain=7), "altered"),
    ],
)
def test_an_ending_that_does_not_fit_is_found(tmp_path: Path, change, words: str) -> None:
    """Right checksums alone prove little."""
    path = make(tmp_path / "r")
    alter_about(path, "ending", change)
    with pytest.raises(BadRecording, match=words):
        check(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda event: {"total": b"short"}, "digest has the wrong size"),
        (lambda event: {"parts": {"ram": b"12345"}}, "digest of a part"),
        (lambda event: {"reason": "machine-init"}, "not the time for machine-init"),
        (lambda event: {"outputs": {"serial0": 3}}, "output vanished"),
    ],
)
def test_digests_out_of_line_are_found(tmp_path: Path, change, words: str) -> None:
    """In the last checkpoint, and without the checksum that runs through the log."""
    path = make(tmp_path / "r")
    log = LogReader(path)
    ((_, chunk),) = log.chunks()
    logged = [
        each._replace(event=msgspec.structs.replace(each.event, chain=None))
        if each.event.kind == "checkpoint"
        else each
        for each in chunk.logged
    ]
    last = logged[-1]
    logged[-1] = last._replace(event=msgspec.structs.replace(last.event, **change(last.event)))
    alter_chunk(path, 1, codec.encode_chunk(Icount(0), logged, chunk.outputs))
    alter_about(path, "ending", lambda ending: ending.update(chain=None))
    with pytest.raises(BadRecording, match=words):
        check(path)


def test_kinds_and_tables_of_a_later_version_are_skipped_if_they_may_be(tmp_path: Path) -> None:
    """A file that a later version may write: bookmarks, say, in a table and among the events."""
    path = make(tmp_path / "later", commits=1)
    log = LogReader(path)
    ((row, _),) = log.chunks()
    whole = msgspec.msgpack.decode(codec.decompress(row.data))
    whole[0].insert(1, 0)
    whole[1].insert(1, [200, "a bookmark", {"made": "later"}])
    whole[1][0].append("a field that was appended")
    whole.append("a column that was appended")
    alter_chunk(path, 1, codec.compress(msgspec.msgpack.encode(whole)))
    tamper(path, "CREATE TABLE bookmarks (at INTEGER, text TEXT)")
    alter_about(path, "manifest", lambda it: it.update(revision=1000, mood="sunny"))
    check(path)
    assert list(LogReader(path).events()) == list(log.events())
    assert replay(path) == 100


def test_kinds_of_a_later_version_that_matter_are_refused(tmp_path: Path) -> None:
    """By everybody who reads them, with what to do."""
    path = make(tmp_path / "later", commits=1)
    data = codec.compress(msgspec.msgpack.encode([[0], [[77, "an elephant arrives"]]]))
    alter_chunk(path, 1, data)
    for look in (check, replay, lambda path: care.recover(path, tmp_path / "saved")):
        with pytest.raises(LockstepError, match="kind 77, which this version does not") as caught:
            look(path)
        assert caught.value.exit_status == 4


def test_a_later_version_is_refused_by_everybody(tmp_path: Path) -> None:
    """It says which version would do, and leaves the file alone."""
    path = make(tmp_path / "later")
    tamper(path, "PRAGMA user_version = 2")
    before = path.read_bytes()
    for look in (check, replay, lambda path: care.recover(path, tmp_path / "saved")):
        with pytest.raises(BadRecording, match="format 2; this lockstep reads") as caught:
            look(path)
        assert "newer" in caught.value.remedy
    assert path.read_bytes() == before
