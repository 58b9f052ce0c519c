"""What a recording may ask of whoever reads it. All the numbers are here, and in docs/security.md.

A recorder keeps to them, too: nothing that lockstep has written is refused for its size.
"""

from typing import Final

KIB: Final = 1 << 10
MIB: Final = 1 << 20
GIB: Final = 1 << 30

MAX_SIDE: Final = {"-wal": 4 * GIB, "-shm": 64 * MIB, "-journal": 1 * MIB}
"""Bytes of what SQLite keeps beside a database."""

MAX_BLANK: Final = 1 * MIB
"""Bytes of a side file that begins with zeros: the host's power went before it was written."""

MAX_FILE: Final = 1 << 40
"""Bytes of a recording."""
