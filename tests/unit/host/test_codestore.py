"""Compiled code on disk: shared, bounded, never wrong, and never anybody's problem."""

import errno
import fcntl
import hashlib
import itertools
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import xxhash

from lockstep.host.codestore import CodeStore, Usage
from lockstep.places import trust

KIB = 1 << 10


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lockstep" / "regions.sqlite"


def stored(path: Path, items: dict[bytes, list[bytes]]) -> None:
    store = CodeStore(path)
    for key, parts in items.items():
        for part in parts:
            store.put(key, part)
    store.close()


def got(path: Path, key: bytes) -> list[bytes]:
    store = CodeStore(path)
    try:
        return store.get(key)
    finally:
        store.close()


def test_parts_come_back_in_the_order_in_which_they_were_put(path: Path) -> None:
    """Of one key, and of no other; to the byte; empty ones too; in another process as well."""
    parts = [b"z", b"", b"a" * 100 * KIB, b"\0\xff"]
    stored(path, {b"page": parts[:2], b"other": [b"x"]})
    stored(path, {b"page": parts[2:]})
    assert got(path, b"page") == parts
    assert got(path, b"other") == [b"x"]
    assert got(path, b"none") == []


def test_what_is_there_is_not_stored_twice(path: Path) -> None:
    """Two processes that compile the same code put the same part."""
    stored(path, {b"page": [b"first", b"second", b"first"]})
    assert got(path, b"page") == [b"first", b"second"]


def test_looking_for_code_makes_no_file(path: Path) -> None:
    """Nothing is laid out before there is something to keep."""
    store = CodeStore(path)
    assert store.get(b"page") == []
    assert store.usage() == Usage()
    store.clear()
    store.close()
    assert not path.parent.exists()


def test_usage_counts_keys_parts_and_bytes(path: Path) -> None:
    """Of what was put, by everybody."""
    stored(path, {b"a": [b"12", b"345"], b"b": [b"6"]})
    assert CodeStore(path).usage() == Usage(keys=2, parts=3, bytes=6)


def test_clear_forgets_everything_and_gives_the_disk_back(path: Path) -> None:
    """Also under somebody who uses it, and goes on to."""
    stored(path, {b"a": [bytes(1000 * KIB)]})
    user, clearer = CodeStore(path), CodeStore(path)
    assert user.get(b"a")
    clearer.clear()
    clearer.close()
    assert user.get(b"a") == []
    user.put(b"b", b"new")
    user.close()
    assert got(path, b"b") == [b"new"]
    assert sum(each.stat().st_size for each in path.parent.iterdir()) < 100 * KIB


class TestLimit:
    """The file stays below it, and what was used last stays in the file."""

    LIMIT = 1000 * KIB

    def store(self, path: Path, clock: itertools.count) -> CodeStore:
        return CodeStore(path, self.LIMIT, clock=lambda: next(clock))

    def test_the_file_is_bounded(self, path: Path) -> None:
        """A hundred times as much is put as there is room for."""
        store = self.store(path, itertools.count())
        for n in range(1000):
            store.put(bytes([n % 256]), random.Random(n).randbytes(100 * KIB))
            assert path.stat().st_size <= self.LIMIT + 200 * KIB
        assert store.usage().bytes > self.LIMIT // 2
        store.close()

    def test_the_key_that_was_not_used_for_longest_goes_first(self, path: Path) -> None:
        """Being asked for is being used, and that is remembered over sessions."""
        clock = itertools.count()
        store = self.store(path, clock)
        for n in range(8):
            store.put(bytes([n]), bytes([n]) * 100 * KIB)
        store.close()
        store = self.store(path, clock)
        store.get(b"\0")
        store.close()
        store = self.store(path, clock)
        store.get(b"\1")  # in the session that evicts
        for n in range(8, 11):
            store.put(bytes([n]), bytes([n]) * 100 * KIB)
        kept = {n for n in range(11) if store.get(bytes([n]))}
        store.close()
        assert {0, 1, 9, 10} <= kept
        assert not {2, 3} & kept

    def test_a_part_as_big_as_the_store_does_not_empty_it(self, path: Path) -> None:
        """It is not stored."""
        store = self.store(path, itertools.count())
        store.put(b"a", b"x")
        store.put(b"b", bytes(self.LIMIT))
        assert store.get(b"a") == [b"x"]
        assert store.get(b"b") == []

    def test_a_limit_of_nothing_turns_the_store_off(self, path: Path) -> None:
        """What is in the file stays there, and can be cleared."""
        stored(path, {b"a": [b"x"]})
        store = CodeStore(path, 0)
        store.put(b"b", b"y")
        assert store.get(b"a") == store.get(b"b") == []
        assert store.usage().keys == 1
        store.clear()
        assert store.usage().keys == 0


class TestDamage:
    """Costs what was stored; a wrong blob never comes out."""

    def test_a_row_with_another_digest_is_dropped(self, path: Path) -> None:
        """Its neighbours are not."""
        stored(path, {b"a": [b"one", b"two", b"three"]})
        with sqlite3.connect(path) as db:
            db.execute("UPDATE parts SET data = x'77' WHERE data = x'74776f'")
        db.close()
        assert got(path, b"a") == [b"one", b"three"]
        assert CodeStore(path).usage().parts == 2

    def test_the_code_of_another_key_is_not_given_out(self, path: Path) -> None:
        """A sound blob in a wrong place is a wrong blob."""
        stored(path, {b"a": [b"one"], b"b": [b"two"]})
        with sqlite3.connect(path) as db:
            db.execute("UPDATE parts SET key = x'61'")
        db.close()
        assert got(path, b"a") == [b"one"]

    @pytest.mark.parametrize("content", [b"", b"x", b"not a database" * 1000])
    def test_what_is_no_database_is_replaced(self, path: Path, content: bytes) -> None:
        """Whatever it is."""
        path.parent.mkdir()
        path.write_bytes(content)
        store = CodeStore(path)
        store.get(b"a")
        store.put(b"a", b"x")
        store.close()
        assert got(path, b"a") == [b"x"]

    def test_a_store_of_another_version_is_replaced(self, path: Path) -> None:
        """Its tables are not understood."""
        path.parent.mkdir()
        with sqlite3.connect(path) as db:
            db.execute("CREATE TABLE parts (something TEXT)")
        db.close()
        store = CodeStore(path)
        store.put(b"a", b"x")
        store.put(b"a", b"x")
        assert store.get(b"a") == [b"x"]

    @pytest.mark.parametrize("seed", range(60))
    def test_any_damage_to_the_file_is_survived(self, path: Path, seed: int) -> None:
        """Bytes altered, zeroed or cut off, at random: the right parts or none, and a store that
        works again after a few attempts."""
        dice = random.Random(seed)
        items = {bytes([n]): [dice.randbytes(dice.choice([10, 9000]))] for n in range(40)}
        stored(path, items)
        damage(path, dice)
        store = CodeStore(path)
        for key, parts in items.items():
            assert store.get(key) in (parts, [])
        store.usage()
        store.close()
        for _ in range(4):
            stored(path, items)
        for key, parts in items.items():
            assert got(path, key) == parts


def junk(path: Path) -> None:
    """It cannot even be opened."""
    path.write_bytes(b"junk" * 1000)


def lost_table(path: Path) -> None:
    """Who has it open already finds out when he asks."""
    with sqlite3.connect(path) as db:
        db.execute("DROP TABLE parts")
    db.close()


class Overtaken(CodeStore):
    """Between finding damage and removing the file it lets somebody else do so."""

    def __init__(self, path: Path, quicker: CodeStore) -> None:
        super().__init__(path)
        self._quicker = quicker
        self.overtaken = False

    def _remove(self) -> None:
        self._quicker.get(b"a")
        self._quicker.put(b"a", b"x")
        self.overtaken = True
        super()._remove()


def xxh3(key: bytes, data: bytes) -> bytes:
    """What a row had before there were seals."""
    return xxhash.xxh3_128(len(key).to_bytes(8, "little") + key + data).digest()


def blake2(key: bytes, data: bytes) -> bytes:
    """What a seal would be without a secret."""
    content = len(key).to_bytes(8, "little") + key + data
    return hashlib.blake2b(content, digest_size=32).digest()


class TestTrust:
    """What is in the store is executed, so it is the user's own or it is nothing."""

    @pytest.mark.parametrize("digest", [xxh3, blake2])
    def test_a_row_changed_with_care_is_dropped(
        self, path: Path, digest: Callable[[bytes, bytes], bytes]
    ) -> None:
        """With all that anybody can compute made right."""
        stored(path, {b"a": [b"one", b"two"]})
        with sqlite3.connect(path) as db:
            right = digest(b"a", b"evil")
            db.execute("UPDATE parts SET data = ?, digest = ? WHERE id = 1", (b"evil", right))
        db.close()
        assert got(path, b"a") == [b"two"]

    def test_another_users_secret_does_not_fit(self, path: Path) -> None:
        """A store that was copied from somebody is empty."""
        stored(path, {b"a": [b"x"]})
        (path.parent / "secret").unlink()
        assert got(path, b"a") == []
        stored(path, {b"a": [b"y"]})
        assert got(path, b"a") == [b"y"]

    @pytest.mark.parametrize("suffix", ["", "-wal", "-shm", "-journal"])
    @pytest.mark.parametrize("harm", ["mode", "link"])
    def test_a_file_that_others_can_write_is_not_opened(
        self, path: Path, suffix: str, harm: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nor is one that is elsewhere. It costs the store, not the session."""
        monkeypatch.setattr(trust, "_told", set())
        stored(path, {b"a": [b"x"]})
        file = path.with_name(path.name + suffix)
        if harm == "mode":
            file.touch()
            file.chmod(0o666)
        else:
            file.unlink(missing_ok=True)
            (path.parent / "elsewhere").write_bytes(b"x")
            file.symlink_to("elsewhere")
        said: list[str] = []
        store = CodeStore(path, notify=said.append)
        assert store.get(b"a") == []
        store.put(b"b", b"y")
        store.close()
        assert len(said) == 1
        assert "LOCKSTEP_CACHE" in said[0]
        if harm == "link":
            assert (path.parent / "elsewhere").read_bytes() == b"x"

    @pytest.mark.parametrize("mode", [0o777, 0o775, 0o1777])
    def test_a_directory_that_others_can_write_is_not_used(
        self, path: Path, mode: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The user is told once what to do; nothing is written there."""
        monkeypatch.setattr(trust, "_told", set())
        path.parent.mkdir()
        path.parent.chmod(mode)
        said: list[str] = []
        store = CodeStore(path, notify=said.append)
        store.put(b"a", b"x")
        assert store.get(b"a") == []
        store.close()
        assert list(path.parent.iterdir()) == []
        assert len(said) == 1
        assert f"chmod go-w {path.parent}" in said[0]

    def test_what_is_made_is_for_the_user_alone(self, path: Path) -> None:
        """Whatever the umask is."""
        before = os.umask(0)
        try:
            store = CodeStore(path)
            store.put(b"a", b"x")
            modes = {each.name: each.stat().st_mode & 0o777 for each in path.parent.iterdir()}
            store.close()
        finally:
            os.umask(before)
        assert path.parent.stat().st_mode & 0o777 == 0o700
        assert set(modes.values()) == {0o600}
        assert f"{path.name}-wal" in modes

    @pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.ENOSPC])
    def test_a_store_that_cannot_be_made_is_said_once(
        self, path: Path, code: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With the words of the host."""
        monkeypatch.setattr(trust, "_told", set())
        mkdir = Path.mkdir

        def fail(self: Path, mode: int = 0o777, **options: bool) -> None:
            if self == path.parent:
                raise OSError(code, os.strerror(code), str(self))
            mkdir(self, mode, **options)

        monkeypatch.setattr(Path, "mkdir", fail)
        said: list[str] = []
        store = CodeStore(path, notify=said.append)
        for _ in range(20):
            store.put(b"a", b"x")
        store.close()
        assert len(said) == 1
        assert os.strerror(code) in said[0]


class TestReplacement:
    """Several processes find the same damage; one of them makes the store anew."""

    @pytest.mark.parametrize("harm", [junk, lost_table])
    def test_the_new_store_is_not_taken_for_the_damaged_one(
        self, path: Path, harm: Callable[[Path], None]
    ) -> None:
        """It is found where the damage was, but another has put something into it."""
        stored(path, {b"a": [b"old"]})
        quicker = CodeStore(path)
        late = Overtaken(path, quicker)
        if harm is lost_table:
            assert late.get(b"a") == quicker.get(b"a") == [b"old"]
        harm(path)
        assert late.get(b"a") == []
        assert late.overtaken
        assert got(path, b"a") == late.get(b"a") == quicker.get(b"a") == [b"x"]
        quicker.put(b"a", b"y")
        late.put(b"a", b"z")
        late.close()
        quicker.close()
        assert got(path, b"a") == [b"x", b"y", b"z"]

    def test_a_store_is_not_removed_while_somebody_opens_it(self, path: Path) -> None:
        """He would have one part of it old and another one new. It is removed later."""
        stored(path, {b"a": [b"old"]})
        lost_table(path)
        store = CodeStore(path)
        before = path.stat().st_ino
        with locked(path, fcntl.LOCK_SH):
            assert store.get(b"a") == []
            assert path.stat().st_ino == before
        store.get(b"a")
        store.put(b"a", b"x")
        assert store.get(b"a") == [b"x"]
        store.close()

    def test_a_store_is_not_opened_while_somebody_removes_it(self, path: Path) -> None:
        """Nor is he waited for."""
        stored(path, {b"a": [b"x"]})
        store = CodeStore(path)
        with locked(path, fcntl.LOCK_EX):
            assert store.get(b"a") == []
        assert store.get(b"a") == [b"x"]
        store.close()


@contextmanager
def locked(path: Path, kind: int) -> Iterator[None]:
    """As another process does."""
    with open(f"{path}-lock", "w") as lock:
        fcntl.flock(lock, kind)
        yield


def damage(path: Path, dice: random.Random) -> None:
    content = bytearray(path.read_bytes())
    kind = dice.choice(["bytes", "zeros", "cut", "junk"])
    if kind == "bytes":
        for _ in range(dice.randrange(1, 20)):
            content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    else:
        at = dice.randrange(len(content))
        length = dice.randrange(1, 5000)
        insert = {"zeros": bytes(length), "cut": b"", "junk": dice.randbytes(length)}[kind]
        content[at : len(content) if kind == "cut" else at + length] = insert
    path.write_bytes(content)


class TestFailure:
    """Costs a moment."""

    def unharmed(self, path: Path) -> CodeStore:
        """A store that does nothing, and does not take long to."""
        store = CodeStore(path)
        began = time.monotonic()
        for _ in range(100):
            store.put(b"a", b"x")
            assert store.get(b"a") == []
        assert store.usage() == Usage()
        store.clear()
        assert time.monotonic() - began < 5
        return store

    def test_a_directory_that_cannot_be_made(self, tmp_path: Path) -> None:
        """There is a file in its place."""
        (tmp_path / "file").touch()
        self.unharmed(tmp_path / "file" / "regions.sqlite").close()

    def test_a_directory_in_place_of_the_file(self, path: Path) -> None:
        """It cannot be opened, and is not removed."""
        path.mkdir(parents=True)
        self.unharmed(path).close()
        assert path.is_dir()

    def test_a_store_that_somebody_keeps_locked(self, path: Path) -> None:
        """Reading works, writing is given up soon."""
        stored(path, {b"a": [b"x"]})
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        store = CodeStore(path)
        began = time.monotonic()
        for _ in range(100):
            store.put(b"b", b"y")
        assert time.monotonic() - began < 5
        store.close()
        other.execute("COMMIT")
        other.close()
        assert got(path, b"a") == [b"x"]

    def test_a_full_disk(self, path: Path) -> None:
        """What was there stays there."""
        stored(path, {b"a": [b"x"]})
        code = (
            "import resource, signal, sys\n"
            "from pathlib import Path\n"
            "from lockstep.host.codestore import CodeStore\n"
            "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
            "store = CodeStore(Path(sys.argv[1]))\n"
            "for n in range(100): store.put(b'b', bytes([n]) * 10_000)\n"
            "assert store.get(b'a') in ([b'x'], [])\n"
            "store.close()\n"
        )
        subprocess.run([sys.executable, "-c", code, path], check=True)
        assert got(path, b"a") == [b"x"]

    def test_a_store_that_is_closed_is_empty(self, path: Path) -> None:
        """And closing it again is nothing."""
        stored(path, {b"a": [b"x"]})
        store = CodeStore(path)
        store.close()
        store.close()
        store.put(b"a", b"y")
        assert store.get(b"a") == []


_BUSY = """
import random, sys
from pathlib import Path
from lockstep.host.codestore import CodeStore
dice = random.Random(int(sys.argv[2]))
for session in range(5):
    store = CodeStore(Path(sys.argv[1]), 400_000)
    for _ in range(60):
        key = bytes([dice.randrange(30)])
        for part in store.get(key):
            assert part == key * len(part), "a wrong blob"
        store.put(key, key * dice.randrange(1, 20_000))
        if dice.random() < 0.01:
            store.clear()
    store.close()
"""


def test_processes_share_a_store_although_some_are_killed(path: Path) -> None:
    """What any of them gets was put under that key; and the store works on."""
    command = [sys.executable, "-c", _BUSY, os.fspath(path)]
    working = [subprocess.Popen([*command, str(seed)]) for seed in range(4)]
    for seed in range(4, 8):
        with subprocess.Popen([*command, str(seed)]) as victim:
            time.sleep(0.2)
            victim.kill()
    assert [each.wait() for each in working] == [0] * 4
    store = CodeStore(path)
    store.put(b"new", b"x")
    assert store.get(b"new") == [b"x"]
    assert store.usage().keys > 1
    store.close()


def test_no_file_stays_open(path: Path) -> None:
    """Neither after closing nor after failing."""
    before = set(os.listdir("/proc/self/fd"))
    stored(path, {b"a": [b"x"]})
    path.write_bytes(b"junk" * 1000)
    assert got(path, b"a") == []
    assert set(os.listdir("/proc/self/fd")) == before


def test_sqlite_is_not_loaded_until_it_is_needed() -> None:
    """A start without compiled code does not pay for it."""
    code = "import sys, lockstep.host.codestore; sys.exit('sqlite3' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
