"""What a recording holds, in numbers: for `info`."""

from typing import Any

import msgspec

from lockstep.det.fifo import LockCounts
from lockstep.replay.codec import decompress, encoded_size
from lockstep.replay.format import Checkpoint, Manifest
from lockstep.replay.log import LogReader


class KindCount(msgspec.Struct, frozen=True):
    """How many events of one kind, and their share of the stored bytes."""

    count: int
    bytes: int


class Summary(msgspec.Struct, frozen=True):
    """A recording in numbers. `log_bytes` is what the events take, digests included, as stored."""

    format: int
    complete: bool
    instructions: int
    events: dict[str, KindCount]
    log_bytes: int
    transcript_bytes: int
    output_bytes: dict[str, int]
    file_bytes: int
    duration_s: float | None
    final_digest: str | None
    ended_by: str | None
    guest_code: int | None
    locks: tuple[LockCounts, ...]
    stats: dict[str, int | float]
    manifest: Manifest
    embedded: dict[str, bool]

    def as_dict(self) -> dict[str, Any]:
        """For `info --json`."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        manifest = plain.pop("manifest")
        embedded = plain.pop("embedded")
        images = [{**each, "embedded": embedded[each["sha256"]]} for each in manifest["images"]]
        return {**manifest, **plain, "images": images}


def summarize(log: LogReader) -> Summary:
    """Read the whole log and count it."""
    counts: dict[str, int] = {}
    stored: dict[str, int] = {}
    total, instructions, final = 0, log.end(), None
    for row, (logged, _) in log.chunks():
        size = len(row.data)
        total += size
        sizes = [encoded_size(each.event) for each in logged]
        whole = sum(sizes) or 1
        for each, own in zip(logged, sizes, strict=True):
            kind = each.event.kind
            counts[kind] = counts.get(kind, 0) + 1
            stored[kind] = stored.get(kind, 0) + own * size * 1000 // whole
            if isinstance(each.event, Checkpoint):
                final = each.event.total.hex()
    transcript, output = 0, dict[str, int]()
    for text in log.texts():
        transcript += len(text.data)
        output[text.port] = output.get(text.port, 0) + len(decompress(text.data))
    ending, manifest = log.ending, log.manifest
    embedded = log.embedded()
    return Summary(
        format=manifest.format,
        complete=log.complete,
        instructions=instructions,
        events={kind: KindCount(n, round(stored[kind] / 1000)) for kind, n in counts.items()},
        log_bytes=total,
        transcript_bytes=transcript,
        output_bytes=output,
        file_bytes=log.path.stat().st_size,
        duration_s=ending.duration_s if ending else None,
        final_digest=final,
        ended_by=ending.reason if ending else None,
        guest_code=ending.guest_code if ending else None,
        locks=ending.locks if ending else (),
        stats=ending.stats if ending else {},
        manifest=manifest,
        embedded={image.sha256: image.sha256 in embedded for image in manifest.images},
    )
