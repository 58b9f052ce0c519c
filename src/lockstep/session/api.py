"""lockstep for programs: record, replay, and look at what was recorded.

    from lockstep.session import api

    made = api.record("boot.lockstep", kernel="guest.elf", bios="none")
    again = api.replay("boot.lockstep")
    assert again.console == made.console
    print(api.info("boot.lockstep")["final_digest"])

Every function raises a `lockstep.errors.LockstepError` when it cannot do what it was asked for.
"""

from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Any

import msgspec

from lockstep.det.instant import Icount
from lockstep.det.world import Arrival
from lockstep.host.serial import NullSerial
from lockstep.replay.log import LogReader
from lockstep.session import archive
from lockstep.session.build import live, replayed
from lockstep.session.config import DIGEST_EVERY, MachineConfig, parse_size
from lockstep.session.console import Console
from lockstep.session.outcome import SERIAL, Outcome


class Run(msgspec.Struct, frozen=True):
    """A finished run: how it ended, and everything the guest sent to its console."""

    outcome: Outcome
    console: bytes


def run(*, typed: bytes = b"", **machine: Any) -> Run:
    """Run a machine, given as the fields of `MachineConfig`; `typed` is its console input."""
    return _live(None, machine, typed, 0, embed=False)


def record(
    recording: str | PathLike[str],
    *,
    typed: bytes = b"",
    digest_every: int = DIGEST_EVERY,
    embed: bool = False,
    max_log: int | None = None,
    **machine: Any,
) -> Run:
    """As `run`, and record it. `embed` puts the images into the recording; `max_log` bounds it."""
    return _live(Path(recording), machine, typed, digest_every, embed=embed, max_log=max_log)


def replay(
    recording: str | PathLike[str],
    *,
    until: int | None = None,
    realtime: bool = False,
    engine: str | None = None,
) -> Run:
    """Replay a recording and check it, to instruction `until` or to its end."""
    kept = _KeptOutput()
    log = LogReader(Path(recording))
    try:
        instant = None if until is None else Icount(until)
        with replayed(
            log, Console(kept), until=instant, realtime=realtime, engine=engine
        ) as session:
            outcome = session.run()
    finally:
        log.close()
    return Run(outcome, bytes(kept.data))


def info(recording: str | PathLike[str]) -> dict[str, Any]:
    """What a recording holds, in numbers."""
    return archive.info(Path(recording))


def events(recording: str | PathLike[str]) -> Iterator[dict[str, Any]]:
    """Everything that was logged, in order."""
    return archive.events(Path(recording))


def _live(
    recording: Path | None,
    machine: dict[str, Any],
    typed: bytes,
    digest_every: int,
    *,
    embed: bool,
    max_log: int | None = None,
) -> Run:
    if isinstance(machine.get("memory"), str):
        machine["memory"] = parse_size(machine["memory"])
    kept = _KeptOutput()
    config = MachineConfig(**machine)
    with live(
        config,
        Console(kept),
        recording=recording,
        digest_every=digest_every,
        embed=embed,
        max_log=max_log,
    ) as session:
        if typed:
            session.post(Arrival(SERIAL, typed))
        outcome = session.run()
    return Run(outcome, bytes(kept.data))


class _KeptOutput(NullSerial):
    """Keeps what the guest sends; nobody types."""

    def __init__(self) -> None:
        self.data = bytearray()

    def emit(self, data: bytes) -> None:
        """Keep it."""
        self.data += data
