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

MAX_JSON: Final = 1 * MIB
"""Bytes of the manifest, and of the ending."""

MAX_DEPTH: Final = 64
"""Of brackets within brackets, in both."""

MAX_TABLES: Final = 32
MAX_IMAGES: Final = 16
MAX_IMAGE: Final = 1 * GIB
MAX_IMAGE_BYTES: Final = 2 * GIB
"""Of all images of a machine together, unpacked."""

MAX_DECODED: Final = 64 * MIB
"""Bytes of a chunk, or of a row of the transcript, unpacked; the writer ends them long before."""

MAX_EVENTS: Final = 1 << 18
"""Of a chunk: small events unpack to much more than they take in the file."""

MAX_NAMES: Final = 1 << 12
"""Of parts or ports in one checkpoint, and of ports at the end of a chunk or a recording."""

MAX_NAMES_IN_CHUNK: Final = 1 << 20
"""Of all its checkpoints together, in a chunk of more than BIG_CHUNK bytes, unpacked."""

BIG_CHUNK: Final = 4 * MIB

MAX_AT_INSTANT: Final = 1 << 16
"""Events at one instant."""

MAX_CHECKPOINTS_AT_INSTANT: Final = 256
"""Of those; the machine starts again at each, or ends."""

MAX_BYTES_AT_INSTANT: Final = 64 * MIB
"""Bytes in the events at one instant: what arrives, and what was answered."""

MAX_ROW: Final = 80 * MIB
"""Bytes of a row as stored, images apart."""
