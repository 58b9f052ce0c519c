"""Many small commits as a few big rows, which compress better: how a recording ends up."""

from collections.abc import Iterable, Iterator
from typing import Final

from lockstep.det.instant import START, Icount
from lockstep.replay.codec import Chunk, compress, decompress, encode_chunk
from lockstep.replay.file import ChunkRow, Range, Text, TextRow
from lockstep.replay.format import Logged

MERGED_EVENTS: Final = 20_000
MERGED_BYTES: Final = 1 << 20


def merge_chunks(chunks: Iterable[tuple[ChunkRow, Chunk]]) -> Iterator[Range]:
    """The same events. A chunk still ends where one ended before."""
    first = upto = START
    logged: list[Logged] = []
    outputs: dict[str, int] | None = None
    held = 0
    for row, chunk in chunks:
        logged += chunk.logged
        held += sum(len(getattr(each.event, "data", b"")) for each in chunk.logged)
        upto, outputs = Icount(row.upto), chunk.outputs
        if len(logged) >= MERGED_EVENTS or held >= MERGED_BYTES:
            yield first, upto, encode_chunk(first, logged, outputs)
            first, logged, held = upto, [], 0
    if logged or upto > first:
        yield first, upto, encode_chunk(first, logged, outputs)


def merge_texts(rows: Iterable[TextRow]) -> Iterator[Text]:
    """The same output, that of each port in order."""
    pieces: dict[str, bytearray] = {}
    starts: dict[str, int] = {}
    for row in rows:
        piece = pieces.setdefault(row.port, bytearray())
        piece += decompress(row.data)
        if len(piece) >= MERGED_BYTES:
            yield row.port, starts.get(row.port, 0), compress(bytes(piece))
            starts[row.port] = starts.get(row.port, 0) + len(piece)
            piece.clear()
    for port, piece in pieces.items():
        if piece:
            yield port, starts.get(port, 0), compress(bytes(piece))
