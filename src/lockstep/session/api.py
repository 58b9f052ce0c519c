"""lockstep for programs: record, replay, and look at what was recorded.

    from lockstep.session import api

    made = api.record("boot.lockstep", kernel="guest.elf", bios="none")
    again = api.replay("boot.lockstep")
    assert again.console == made.console
    print(api.info("boot.lockstep")["final_digest"])

Every function raises a `lockstep.errors.LockstepError` when it cannot do what it was asked for.
"""

import os
from collections.abc import Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec

from lockstep.det.world import Arrival
from lockstep.errors import UsageError
from lockstep.host.serial import NullSerial
from lockstep.replay.bounds import MAX_BYTES_AT_INSTANT
from lockstep.session import archive
from lockstep.session.blame import replay_fairly
from lockstep.session.build import live, replayed
from lockstep.session.config import (
    DIGEST_EVERY,
    LogConfig,
    MachineConfig,
    Natural,
    checked,
    parse_size,
)
from lockstep.session.console import Console
from lockstep.session.images import ROLES
from lockstep.session.imagesearch import Given, parse_given
from lockstep.session.instants import parse_timeout, parse_until, parse_until_in
from lockstep.session.outcome import SERIAL, Outcome
from lockstep.session.pace import Choice
from lockstep.session.regions import Code
from lockstep.stops import leave

AnyPath = str | PathLike[str]


class Run(msgspec.Struct, frozen=True):
    """A finished run: how it ended, and everything the guest sent to its console."""

    outcome: Outcome
    console: bytes


class _Input(msgspec.Struct, frozen=True):
    """What comes from outside, and until when."""

    typed: Annotated[bytes, msgspec.Meta(max_length=MAX_BYTES_AT_INSTANT // 4)] = b""
    until: Natural | str | None = None
    timeout: float | None = None
    pace: Choice | None = None


_UNRECORDED: Final = LogConfig()


class _Replaying(msgspec.Struct, frozen=True):
    until: Natural | str | None = None
    realtime: bool = False
    engine: Literal["auto", "interp", "reference"] | None = None


def run(
    *,
    typed: bytes = b"",
    until: int | str | None = None,
    timeout: float | None = None,
    pace: str | None = None,
    **machine: Any,
) -> Run:
    """Run a machine, given as the fields of `MachineConfig`; `typed` is its console input.

    It ends at the latest at `until`, instructions or a text such as "1.7G" or "12.5s" (of virtual
    time), and after `timeout` seconds of the host's time. `pace`: "real" keeps the guest's clock
    from running ahead of the host's, "none" does not; the default is "none" with idle="skip".

    Raises KeyboardInterrupt if a signal stops it, once the machine, and a recording, have ended.
    """
    given = {"typed": typed, "until": until, "timeout": timeout, "pace": pace}
    return _live(machine, checked(_Input, given))


def record(
    recording: AnyPath,
    *,
    typed: bytes = b"",
    digest_every: int = DIGEST_EVERY,
    embed: bool = False,
    max_log: int | None = None,
    force: bool = False,
    until: int | str | None = None,
    timeout: float | None = None,
    pace: str | None = None,
    **machine: Any,
) -> Run:
    """As `run`, and record it. `embed` puts the images into the recording; `max_log` bounds it.
    `force`: a recording that is there already is replaced, which else is a RecordingExists."""
    given = {"typed": typed, "until": until, "timeout": timeout, "pace": pace}
    log = {"digest_every": digest_every, "embed": embed, "max_log": max_log, "force": force}
    path = Path(_path("the recording", recording))
    return _live(machine, checked(_Input, given), path, checked(LogConfig, log))


def replay(
    recording: AnyPath,
    *,
    until: int | str | None = None,
    realtime: bool = False,
    engine: str | None = None,
    images: Mapping[str, AnyPath] | None = None,
) -> Run:
    """Replay a recording and check it, to its end or to `until`: an instruction, or a text such as
    "1.7G", "12.5s", "99%" or "-1000".

    `images`: paths by role ("kernel"), where they are not where they were. Raises
    KeyboardInterrupt if a signal stops it: it has not checked all then.
    """
    asked = checked(_Replaying, {"until": until, "realtime": realtime, "engine": engine})
    kept = _KeptOutput()

    def attempt(code: Code) -> Outcome:
        kept.data.clear()
        with replayed(
            log,
            Console(kept),
            until=stop,
            realtime=asked.realtime,
            engine=asked.engine,
            images=_given({} if images is None else images),
            code=code,
        ) as session:
            return session.run()

    with archive.open_log(Path(_path("the recording", recording))) as log:
        stop = parse_until_in(_text(asked.until), "until", log)
        outcome = replay_fairly(log, attempt)
    if outcome.given_up:
        leave(outcome.exit_status)
    return Run(outcome, bytes(kept.data))


def _given(images: Any) -> Given:
    if not isinstance(images, Mapping):
        raise UsageError("images: not paths by role", remedy='write them as {"kernel": "Image"}')
    return parse_given(f"{role}={_path(f'{role}', path)}" for role, path in images.items())


def info(recording: AnyPath) -> dict[str, Any]:
    """What a recording holds, in numbers."""
    return archive.info(Path(_path("the recording", recording)))


def events(recording: AnyPath) -> Iterator[dict[str, Any]]:
    """Everything that was logged, in order."""
    return archive.events(Path(_path("the recording", recording)))


def _live(
    machine: dict[str, Any],
    given: _Input,
    recording: Path | None = None,
    log: LogConfig = _UNRECORDED,
) -> Run:
    kept = _KeptOutput()
    with live(
        _config(machine),
        Console(kept),
        recording=recording,
        force=log.force,
        digest_every=log.digest_every,
        embed=log.embed,
        max_log=log.max_log,
        until=parse_until(_text(given.until), "until"),
        timeout_ns=parse_timeout(given.timeout, "timeout"),
        pace=given.pace,
    ) as session:
        if given.typed:
            session.post(Arrival(SERIAL, given.typed))
        outcome = session.run()
    if outcome.stopped:
        leave(outcome.exit_status)
    return Run(outcome, bytes(kept.data))


def _config(machine: Mapping[str, Any]) -> MachineConfig:
    """With sizes as text and images as paths, as the command line takes them."""
    plain = dict(machine)
    if isinstance(plain.get("memory"), str):
        plain["memory"] = parse_size(plain["memory"], "memory")
    for role in ROLES:
        if plain.get(role) is not None:
            plain[role] = _path(role, plain[role])
    return checked(MachineConfig, plain)


def _path(what: str, path: object) -> str:
    try:
        text = os.fspath(path)  # type: ignore[call-overload]
    except TypeError:
        text = b""
    if not isinstance(text, str) or "\0" in text:
        raise UsageError(f"{what}: {path!r} is not a path", remedy="give a string or a Path")
    return text


def _text(instant: int | str | None) -> str | None:
    return None if instant is None else str(instant)


class _KeptOutput(NullSerial):
    """Keeps what the guest sends; nobody types."""

    def __init__(self) -> None:
        self.data = bytearray()

    def emit(self, data: bytes) -> None:
        """Keep it."""
        self.data += data
