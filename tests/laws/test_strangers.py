"""Whatever a recording is and whatever lies beside it: no verb writes, removes or changes anything
but its own, and no text of it steers the terminal. Watched by strace, call by call."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lockstep.places import cache_directory
from lockstep.session import api
from stress.crafted import parts as crafted
from stress.crafted import sides
from stress.crafted.recordings import DEMO

STEERING = "\x1b]0;owned\x07\x1b[6n\x9b31m\u202e\u2066\r\nlockstep: all is well"
VERBS = {
    "info": ["info", "r"],
    "stats": ["info", "r", "--stats", "--locks"],
    "events": ["events", "r", "-v"],
    "json": ["events", "r", "--json"],
    "quick": ["verify", "r", "--quick"],
    "verify": ["verify", "r"],
    "locate": ["verify", "r", "--locate"],
    "replay": ["replay", "r"],
    "recover": ["recover", "r", "-o", "../out/saved"],
    "pack": ["pack", "r", "-o", "../out/packed"],
    "profile": ["profile", "r"],
}
CHANGES = re.compile(
    r"^\d+ +(?P<call>unlink|unlinkat|rmdir|rename|renameat2?|mkdir|mkdirat|link|linkat|symlink"
    r"|symlinkat|truncate|ftruncate|mknod|mknodat|chmod|fchmodat|chown|utimensat|creat"
    r"|open(?:at)?(?=\(.*O_(?:WRONLY|RDWR|CREAT|TRUNC)))\((?P<rest>.*)\) += (?P<result>[-0-9]+)"
)
OTHERS = ("/dev/", "/proc/", "/sys/", "/memfd:", "/dev/shm/")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sound") / "r"
    api.record(path, kernel=DEMO, bios="none", memory=16 << 20, idle="skip", embed=True, typed=b"x")
    return path


def a_journal(sound: Path, path: Path, victim: Path) -> None:
    shutil.copy(sound, path)
    sides.super_journal(path, victim)


def a_log(sound: Path, path: Path, victim: Path) -> None:
    """Killed, by its header; and what is beside it is anybody's."""
    parts = crafted.read(sound)
    parts.statements = ["PRAGMA journal_mode=WAL"]
    crafted.write(parts, path)
    Path(f"{path}-wal").write_bytes(b"\x37\x7f\x06\x82" + bytes(range(200)) * 20)
    Path(f"{path}-shm").write_bytes(bytes(32768))
    sides.super_journal(path, victim)


def a_link(sound: Path, path: Path, victim: Path) -> None:
    shutil.copy(sound, path)
    Path(f"{path}-wal").symlink_to(victim)


def words(sound: Path, path: Path, victim: Path) -> None:
    """In every place where text may be, everything that a terminal might obey."""
    parts = crafted.read(sound)
    manifest, ending = json.loads(parts.manifest), json.loads(parts.ending or "")
    manifest |= {"versions": {STEERING: STEERING}, "host": {"x": STEERING}, "created": STEERING}
    ending |= {"reason": STEERING, "stats": {STEERING: 5}}
    ending["outputs"][STEERING] = 1
    ending["locks"] = [{"lock": STEERING, "enabled": True, "holder": STEERING, "threads": [
        {"thread": STEERING, "holds": 1, "waits": 1, "hand_overs": 1, "waited_ns": 1,
         "longest_wait_ns": 1}]}]  # fmt: skip
    parts.manifest, parts.ending = json.dumps(manifest), json.dumps(ending)
    parts.texts.append(crafted.Text(STEERING, 0, b"x"))
    chunk = parts.chunks[-1]
    new = [[19, STEERING, b"x"], [3, STEERING, STEERING, b"x"], [32, "reset", bytes(16),
           {STEERING: b"abcd"}, {STEERING: 1}, {STEERING: b""}, 0], [18, STEERING]]  # fmt: skip
    chunk.events[-1:-1] = new
    chunk.steps[-1:-1] = [0] * len(new)
    crafted.write(parts, path)


def an_option(sound: Path, path: Path, victim: Path) -> None:
    parts = crafted.read(sound)
    manifest = json.loads(parts.manifest)
    manifest["machine"] |= {STEERING: STEERING}
    manifest["images"][0]["name"] = STEERING
    manifest["images"][0]["hint"] = STEERING
    parts.manifest = json.dumps(manifest)
    crafted.write(parts, path)


CASES = [a_journal, a_log, a_link, words, an_option]
# Each verb with the journal, and each case with some of the verbs: a machine takes its time.
TRIED = [("a_journal", verb) for verb in VERBS] + [
    (case.__name__, verb)
    for case in CASES[1:]
    for verb in ("info", "stats", "events", "json", "quick", "replay", "recover", "pack")
]


@pytest.mark.parametrize(("case", "verb"), TRIED)
def test_nothing_is_touched_and_nothing_steers(
    sound: Path, tmp_path: Path, case: str, verb: str
) -> None:
    for name in ("in", "out", "tmp"):
        (tmp_path / name).mkdir()
    victim = tmp_path / "victim"
    victim.write_text("years of work")
    globals()[case](sound, tmp_path / "in" / "r", victim)
    before = contents(tmp_path)
    done = traced(VERBS[verb], tmp_path)
    assert done.returncode in (0, 3, 4), done.stderr
    if case == "a_link":
        assert done.returncode == 4
    assert contents(tmp_path) == before
    assert list((tmp_path / "tmp").iterdir()) == []
    own = [str(tmp_path / "tmp"), str(tmp_path / "out"), str(cache_directory())]
    assert touched(tmp_path / "trace", own) == []
    said = done.stderr + (b"" if verb == "replay" else done.stdout)
    text = said.decode()
    assert [each for each in text if not (each.isprintable() or each == "\n")] == []
    assert "\nlockstep: all is well" not in text


def traced(arguments: list[str], tmp_path: Path) -> subprocess.CompletedProcess[bytes]:
    calls = "trace=%file,ftruncate"
    return subprocess.run(
        ["strace", "-f", "-qq", "-y", "-s", "4096", "--seccomp-bpf", "-e", calls,
         "-o", tmp_path / "trace", sys.executable, "-m", "lockstep", *arguments],
        cwd=tmp_path / "in",
        env=os.environ | {"TMPDIR": str(tmp_path / "tmp"), "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=120,
    )  # fmt: skip


def touched(trace: Path, own: list[str]) -> list[str]:
    """The calls that have changed, or might have changed, what is nobody's own."""
    found = []
    for line in trace.read_text(errors="replace").splitlines():
        match = CHANGES.match(line)
        if match is None or match["result"].startswith("-"):
            continue
        allowed = (*own, *OTHERS)
        if not all(each.startswith(allowed) for each in names(match["rest"])):
            found.append(line)
    return found


def names(arguments: str) -> list[str]:
    """The absolute paths in them: strace puts into angle brackets what a descriptor stands for."""
    directory, found = "", []
    for descriptor, name in re.findall(r'(?:AT_FDCWD|\d+)<([^>]*)>|"([^"]*)"', arguments):
        directory = descriptor or directory
        if name:
            found.append(os.path.normpath(os.path.join(directory, name)))
    return found or [directory]


def contents(directory: Path) -> dict[str, object]:
    return {
        str(each): each.readlink() if each.is_symlink() else each.is_file() and each.read_bytes()
        for each in directory.rglob("*")
        if each.relative_to(directory).parts[0] in ("in", "victim")
    }


def test_strace_sees_what_is_changed(tmp_path: Path) -> None:
    """Or the others would pass whatever happened."""
    (tmp_path / "in").mkdir()
    code = "import os; open('a', 'w'); os.rename('a', 'b'); os.unlink('b'); os.mkdir('c')"
    subprocess.run(
        ["strace", "-f", "-qq", "-y", "-e", "trace=%file", "-o", tmp_path / "trace",
         sys.executable, "-c", code],
        cwd=tmp_path / "in",
        check=True,
    )  # fmt: skip
    assert len(touched(tmp_path / "trace", [])) == 4
