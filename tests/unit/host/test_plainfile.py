"""Only plain files are read, and no more of them than is allowed."""

import os
from pathlib import Path

import pytest

from lockstep.host.plainfile import open_plain, read_plain


def test_a_plain_file_is_read_whole(tmp_path: Path) -> None:
    """Also through a link, and to the very limit."""
    (tmp_path / "file").write_bytes(b"12345678")
    (tmp_path / "link").symlink_to("file")
    assert read_plain(tmp_path / "link", 8) == b"12345678"
    with pytest.raises(OSError, match="more than 7 bytes"):
        read_plain(tmp_path / "file", 7)


def test_a_sparse_file_costs_nothing(tmp_path: Path) -> None:
    """Its size is looked at before it is read."""
    with (tmp_path / "file").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(OSError, match="more than"):
        read_plain(tmp_path / "file", 1 << 30)


def test_a_file_that_does_not_say_its_size_is_read() -> None:
    """As those of /proc; and bounded as it comes."""
    assert read_plain("/proc/self/stat", 1 << 20)
    with pytest.raises(OSError, match="more than 3 bytes"):
        read_plain("/proc/self/stat", 3)


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null", "/", "/nonexistent", "a\0b", "\udcff"])
def test_anything_else_is_an_os_error(path: str) -> None:
    """Devices, directories, what is not there, and what cannot be a name."""
    with pytest.raises(OSError, match=r"."):
        open_plain(path)


def test_nobody_waits_for_the_writer_of_a_fifo(tmp_path: Path) -> None:
    """It may never come."""
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(OSError, match="not a plain file"):
        open_plain(tmp_path / "fifo")
