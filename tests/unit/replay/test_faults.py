"""Whose fault it is that a recording cannot be read."""

import errno
import sqlite3

import pytest

from lockstep.errors import BadRecording, HostFailure
from lockstep.replay.faults import blame, discard, flaw, is_of_host, unreadable


def sqlite_error(code):
    error = sqlite3.OperationalError("it failed")
    error.sqlite_errorcode = code
    return error


def os_error(number):
    return OSError(number, "it failed")


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(sqlite_error(sqlite3.SQLITE_IOERR_READ), id="read"),
        pytest.param(sqlite_error(sqlite3.SQLITE_CANTOPEN), id="open"),
        pytest.param(sqlite_error(sqlite3.SQLITE_FULL), id="full"),
        pytest.param(os_error(errno.EIO), id="EIO"),
        pytest.param(os_error(errno.EMFILE), id="EMFILE"),
        pytest.param(MemoryError(), id="memory"),
    ],
)
def test_the_host_is_to_blame_for_what_any_file_would_meet(error):
    assert is_of_host(error)
    assert blame(error, BadRecording) is HostFailure


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(sqlite_error(sqlite3.SQLITE_CORRUPT), id="corrupt"),
        pytest.param(sqlite_error(sqlite3.SQLITE_IOERR_SHORT_READ), id="too short"),
        pytest.param(os_error(errno.ENOENT), id="ENOENT"),
        pytest.param(os_error(errno.EACCES), id="EACCES"),
        pytest.param(ValueError(), id="value"),
    ],
)
def test_the_file_is_to_blame_for_the_rest(error):
    assert not is_of_host(error)
    assert blame(error, BadRecording) is BadRecording


def test_a_page_that_was_misread_once_is_no_damage(tmp_path):
    """SQLite says "malformed" of a page that the disk did not give (EIO); but it is good."""
    with sqlite3.connect(tmp_path / "db") as database:
        database.execute("CREATE TABLE chunks (id)")
        assert flaw(database) is None
        error = unreadable(tmp_path, sqlite_error(sqlite3.SQLITE_CORRUPT), database)
    assert isinstance(error, HostFailure)
    assert error.remedy


def test_what_is_damaged_stays_damaged(tmp_path):
    path = tmp_path / "db"
    database = sqlite3.connect(path)
    database.executescript("CREATE TABLE chunks (id); INSERT INTO chunks VALUES (zeroblob(9000))")
    database.close()
    data = bytearray(path.read_bytes())
    data[4096:4200] = b"\xff" * 104
    path.write_bytes(data)
    database = sqlite3.connect(path)
    error = unreadable(path, sqlite_error(sqlite3.SQLITE_CORRUPT), database)
    database.close()
    assert isinstance(error, BadRecording)


def test_what_cannot_be_removed_is_named(tmp_path):
    """So that somebody can."""
    directory = tmp_path / "r.part"
    assert str(directory) in discard(directory)
    directory.mkdir()
    (directory / "r").write_bytes(b"")
    assert discard(directory) == ""
    assert not directory.exists()
