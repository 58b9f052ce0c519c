"""Where on the host lockstep keeps what it can make, or fetch, again; and what it cannot."""

import os
import pwd
from pathlib import Path
from typing import Final

from lockstep.errors import HostFailure

CACHE_VARIABLE: Final = "LOCKSTEP_CACHE"
"""Of the environment: the cache directory itself, before XDG_CACHE_HOME is looked at."""
DATA_VARIABLE: Final = "LOCKSTEP_DATA"
"""Of the environment: the data directory itself, before XDG_DATA_HOME is looked at."""


def cache_directory() -> Path:
    """Return the directory of all that follows, with no symbolic link in its path.

    It is $LOCKSTEP_CACHE, or else `lockstep` in $XDG_CACHE_HOME, or else in ~/.cache. Raises
    HostFailure if there is no home directory either.
    """
    # Resolved once, so that a link that is changed after the check leads nobody elsewhere.
    return Path(os.path.realpath(_named()))


def data_directory() -> Path:
    """Return the directory of what cannot be made again.

    It is $LOCKSTEP_DATA, or else `lockstep` in $XDG_DATA_HOME, or else in ~/.local/share. Raises
    HostFailure if there is no home directory either.
    """
    if chosen := os.environ.get(DATA_VARIABLE, ""):
        return Path(chosen).absolute()
    base = os.environ.get("XDG_DATA_HOME", "")
    return (
        Path(base) if os.path.isabs(base) else _home(DATA_VARIABLE) / ".local/share"
    ) / "lockstep"


def images() -> Path:
    """The directory of the images that were recorded with. Raises HostFailure as above."""
    return data_directory() / "images"


def _named() -> Path:
    if chosen := os.environ.get(CACHE_VARIABLE, ""):
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The specification of XDG_CACHE_HOME: a relative path is to be ignored.
    if os.path.isabs(base):
        return Path(base) / "lockstep"
    return _home(CACHE_VARIABLE) / ".cache" / "lockstep"


def _home(instead: str) -> Path:
    home = home_directory()
    if not os.path.isabs(home):
        raise HostFailure(
            "there is no home directory to keep anything in",
            remedy=f"set {instead} to a directory of your own",
        )
    return Path(home)


def home_directory() -> str:
    """Return the user's home: $HOME, or else what the user database says; empty if that has none.

    Python's own takes an empty $HOME for the root directory.
    """
    if home := os.environ.get("HOME", ""):
        return home
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return ""


def interpreter_objects() -> Path:
    """The directory of the interpreter's object code."""
    return cache_directory() / "native"


def compiled_regions() -> Path:
    """The file with the object code of compiled regions."""
    return cache_directory() / "regions.sqlite"


def guests() -> Path:
    """The directory of the guests, one directory a release of Debian.

    It is large, so it may be a link to a place with more room.
    """
    return Path(os.path.realpath(cache_directory() / "guests"))
