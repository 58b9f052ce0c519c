"""A database from a stranger: SQLite may read its tables, and do nothing else.

After its own advice, https://sqlite.org/security.html. Its schema is bounded before it is parsed,
and every statement can be interrupted.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from lockstep.replay.bounds import MAX_ROW

_LIMITS: Final = {
    sqlite3.SQLITE_LIMIT_LENGTH: MAX_ROW,
    sqlite3.SQLITE_LIMIT_SQL_LENGTH: 10_000,
    sqlite3.SQLITE_LIMIT_COLUMN: 100,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 20,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 3,
    sqlite3.SQLITE_LIMIT_FUNCTION_ARG: 8,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH: 50,
    sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER: 10,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 1,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}
_SETTINGS: Final = (
    "trusted_schema=OFF",
    "cell_size_check=ON",
    "mmap_size=0",
    "query_only=ON",
    "temp_store=MEMORY",
)
_OPERATIONS: Final = 10_000
_SCHEMA_OPERATIONS: Final = 1_000
_SCHEMA_CALLS: Final = 5
_READS: Final = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ})
_PRAGMAS: Final = frozenset({"integrity_check", "user_version"})


def harden(connection: sqlite3.Connection) -> None:
    """From now on it only reads, within limits."""
    for limit, value in _LIMITS.items():
        connection.setlimit(limit, value)
    for setting in _SETTINGS:
        connection.execute(f"PRAGMA {setting}").fetchall()
    connection.set_progress_handler(_go_on, _OPERATIONS)
    connection.set_authorizer(_authorize)


def read_schema(connection: sqlite3.Connection, most: int) -> list[tuple[str, str, str]]:
    """Type, name and definition of what is in it, up to one more than `most`. Raises sqlite3.Error
    if it takes too long to read."""
    left = _SCHEMA_CALLS

    def look() -> int:
        nonlocal left
        left -= 1
        return int(left < 0)

    connection.set_progress_handler(look, _SCHEMA_OPERATIONS)
    try:
        query = "SELECT type, name, sql FROM sqlite_schema"
        return connection.execute(query).fetchmany(most + 1)
    except sqlite3.OperationalError as error:
        if left < 0:
            raise sqlite3.DatabaseError("its schema is too big") from error
        raise
    finally:
        connection.set_progress_handler(_go_on, _OPERATIONS)


@contextmanager
def long_rows(connection: sqlite3.Connection) -> Iterator[None]:
    """Images are longer than anything else."""
    before = connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 1 << 30)  # or as built
    try:
        yield
    finally:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, before)


def was_interrupted(error: BaseException) -> bool:
    """Whether Ctrl-C came while SQLite was at work, which swallows it."""
    code = getattr(error, "sqlite_errorcode", 0)
    return bool(code == sqlite3.SQLITE_INTERRUPT)


def _go_on() -> int:
    """Python looks for signals before it calls this; a handler that raises stops SQLite."""
    return 0


def _authorize(action: int, name: str | None, *_: str | None) -> int:
    if action in _READS or (action == sqlite3.SQLITE_PRAGMA and name in _PRAGMAS):
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY
