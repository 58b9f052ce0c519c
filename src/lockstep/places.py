"""Where lockstep keeps on the host what it can make, or fetch, again."""

import os
from pathlib import Path


def cache_directory() -> Path:
    """The directory of all that follows: $XDG_CACHE_HOME/lockstep."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The specification of XDG_CACHE_HOME: a relative path is to be ignored.
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "lockstep"


def interpreter_objects() -> Path:
    """The directory of the interpreter's object code."""
    return cache_directory() / "native"


def compiled_regions() -> Path:
    """The file with the object code of compiled regions."""
    return cache_directory() / "regions.sqlite"


def guests() -> Path:
    """The directory of the guests, one directory a release of Debian."""
    return cache_directory() / "guests"
