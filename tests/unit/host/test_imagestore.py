"""Images are kept by their hash, and nothing that is kept is trusted."""

import errno
import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from lockstep.host.imagestore import Clone, ImageStore

KERNEL = b"kernel" * 1000
HASH = hashlib.sha256(KERNEL).hexdigest()


def sharing(target: int, source: int) -> None:
    """As a file system with FICLONE."""
    os.write(target, os.pread(source, 1 << 20, 0))


def not_sharing(target: int, source: int) -> None:
    """As one without."""
    raise OSError(errno.EOPNOTSUPP, "not here")


Make = Callable[..., ImageStore]


@pytest.fixture(params=[sharing, not_sharing])
def clone(request: pytest.FixtureRequest) -> Clone:
    made: Clone = request.param
    return made


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "Image"
    path.write_bytes(KERNEL)
    return path


def test_what_was_kept_outlives_the_file(tmp_path: Path, source: Path, clone: Clone) -> None:
    """Also if that is written over in place, as a hard link would not."""
    store = ImageStore(tmp_path / "store", clone=clone)
    store.keep(HASH, KERNEL, str(source))
    with source.open("r+b") as file:
        file.write(b"another kernel")
    assert store.get(HASH, len(KERNEL)) == KERNEL
    assert [each.sha256 for each in store.kept()] == [HASH]


def test_what_is_kept_is_the_users_alone(tmp_path: Path, source: Path, clone: Clone) -> None:
    """And there is nothing else in the directory."""
    store = ImageStore(tmp_path / "data" / "store", clone=clone)
    store.keep(HASH, KERNEL, str(source))
    (file,) = store.directory.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(store.directory.stat().st_mode) == 0o700


def test_a_file_that_changed_meanwhile_is_not_what_is_kept(tmp_path: Path, source: Path) -> None:
    """What was recorded with is."""
    store = ImageStore(tmp_path / "store", clone=sharing)
    source.write_bytes(b"another kernel")
    store.keep(HASH, KERNEL, str(source))
    assert store.get(HASH, len(KERNEL)) == KERNEL


def test_nothing_that_is_kept_is_trusted(tmp_path: Path, source: Path, clone: Clone) -> None:
    """A file with another content than its name says is none; nor are links and FIFOs files."""
    store = ImageStore(tmp_path / "store", clone=clone)
    store.keep(HASH, KERNEL, str(source))
    (file,) = store.directory.iterdir()
    kept = bytearray(file.read_bytes())
    for at in range(0, len(kept), 101):
        changed = kept.copy()
        changed[at] ^= 1
        file.write_bytes(changed)
        assert store.get(HASH, len(KERNEL)) is None
    for end in (0, 1, len(kept) - 1):
        file.write_bytes(kept[:end])
        assert store.get(HASH, len(KERNEL)) is None
    file.unlink()
    os.mkfifo(file)
    assert store.get(HASH, len(KERNEL)) is None


def test_a_damaged_copy_is_made_again(tmp_path: Path, source: Path, clone: Clone) -> None:
    """When it is recorded with the next time; as far as its size shows."""
    store = ImageStore(tmp_path / "store", clone=clone)
    store.keep(HASH, KERNEL, str(source))
    (file,) = store.directory.iterdir()
    file.write_bytes(b"")
    store.keep(HASH, KERNEL, str(source))
    assert store.get(HASH, len(KERNEL)) == KERNEL


@pytest.mark.parametrize("name", ["../../etc/passwd", "x" * 64, "", HASH.upper(), HASH + "\n"])
def test_only_a_hash_names_an_image(tmp_path: Path, name: str) -> None:
    """A recording may say anything."""
    assert ImageStore(tmp_path).get(name, 1) is None


def test_those_go_first_that_were_not_recorded_with_for_longest(tmp_path: Path) -> None:
    """When there is more than there may be."""
    store = ImageStore(tmp_path / "store", limit=2500, clone=sharing)
    hashes = []
    for n in range(4):
        data = bytes([n]) * 1000
        path = tmp_path / "image"
        path.write_bytes(data)
        hashes.append(hashlib.sha256(data).hexdigest())
        store.keep(hashes[n], data, str(path))
        os.utime(store.directory / hashes[n], (n, n))
        if n == 2:
            store.keep(hashes[1], bytes([1]) * 1000, str(path))  # it is there: now it is the latest
    assert {each.sha256 for each in store.kept()} == {hashes[1], hashes[3]}


def test_what_is_larger_than_all_that_may_be_kept_is_not(tmp_path: Path, source: Path) -> None:
    """Nothing is even made."""
    store = ImageStore(tmp_path / "store", limit=0)
    store.keep(HASH, KERNEL, str(source))
    assert store.kept() == []
    assert not store.directory.exists()


def test_what_a_killed_process_left_is_removed(tmp_path: Path, source: Path) -> None:
    """Some time later; what is being written now stays."""
    store = ImageStore(tmp_path / "store")
    store.directory.mkdir()
    for name, age in ((".old", 1), (".new", None)):
        (store.directory / name).write_bytes(b"half")
        if age is not None:
            os.utime(store.directory / name, (age, age))
    store.keep(HASH, KERNEL, str(source))
    assert not (store.directory / ".old").exists()
    assert (store.directory / ".new").exists()
    store.clear()
    assert store.kept() == []


def test_a_failure_leaves_nothing(tmp_path: Path, source: Path) -> None:
    """Not even a file without a name that is one."""
    store = ImageStore(tmp_path / "store", clone=sharing)
    store.directory.mkdir()
    (store.directory / HASH).mkdir()
    with pytest.raises(OSError, match="directory"):
        store.keep(HASH, KERNEL, str(source))
    assert [each.name for each in store.directory.iterdir()] == [HASH]


def test_a_directory_that_cannot_be_made_is_an_os_error(tmp_path: Path, source: Path) -> None:
    """Whoever keeps images says so."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="directory"):
        ImageStore(tmp_path / "file" / "store").keep(HASH, KERNEL, str(source))
