"""What `run` and `record` share: a machine with the console that was asked for."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from pathlib import Path
from typing import TypedDict

from lockstep.errors import RecordingExists, UsageError
from lockstep.host.serial import check_written, open_serial
from lockstep.host.terminal import is_terminal
from lockstep.session.build import live
from lockstep.session.config import MachineConfig, parse_size
from lockstep.session.console import Console, say
from lockstep.session.instants import parse_timeout, parse_until
from lockstep.session.loop import Session
from lockstep.session.naming import LATEST, link_latest, numbered
from lockstep.session.spared import files_to_spare
from lockstep.ui.cli.options import RecordingOptions, SessionOptions, choose
from lockstep.ui.cli.plain import plain
from lockstep.ui.cli.result import say_result
from lockstep.ui.cli.stats import table

_KEYS = "lockstep: Ctrl-A x ends the session, Ctrl-A h shows all keys; Ctrl-C is the guest's\n"


class _LogOptions(TypedDict, total=False):
    force: bool
    digest_every: int
    max_log: int | None
    embed: bool


def start(
    config: MachineConfig, options: SessionOptions, recording: RecordingOptions | None = None
) -> int:
    """Run it to its end, recorded or not; the exit status."""
    until = parse_until(options.until, "--until")
    timeout_ns = parse_timeout(options.timeout, "--timeout")
    if options.pace is not None:
        choose("--pace", options.pace, "real", "none")
    log_options = None if recording is None else _log_options(recording)
    named = None if recording is None or recording.output is None else Path(recording.output)
    spared = files_to_spare(config, named, options.serial)
    far_end = open_serial(options.serial, lambda text: say(f"lockstep: {text}\n"), spared)
    interactive = options.serial == "stdio" and is_terminal(0)
    console = Console(far_end, interactive=interactive)
    try:
        with ExitStack() as stack:
            begin = partial(
                live, config, console, until=until, timeout_ns=timeout_ns, pace=options.pace
            )
            if recording is None or log_options is None:
                session, output = stack.enter_context(begin()), None
            else:
                names = _names(config, recording)
                session, output = _begin_recording(stack, partial(begin, **log_options), names)
            if interactive:
                say(_KEYS)
            outcome = session.run()
            counted = session.stats()
    finally:
        far_end.close()
    if not options.as_json:
        say(f"lockstep: {outcome.describe()}\n")
        if options.stats:
            say(table(counted) + "\n")
        if output is not None:
            say(plain(f"lockstep: recorded in {output}\n"))
    check_written(far_end, _remedy(output))
    status = 0 if options.halt_ok and outcome.reason == "idle" else outcome.exit_status
    if options.as_json:
        recorded = None if output is None else str(output)
        say_result(outcome, status, recording=recorded, stats=counted)
    return status


def _remedy(output: Path | None) -> str:
    """What to do if the console's text could not be written."""
    if output is None:
        return "Free some space where it goes, or send it somewhere else."
    return f"The recording has all of it: lockstep replay {output}"


def _begin_recording(
    stack: ExitStack,
    begin: Callable[..., AbstractContextManager[Session]],
    names: Iterator[Path],
) -> tuple[Session, Path]:
    """The machine, ready to run while the context lasts, and where it is recorded: under the first
    of `names` that nobody has."""
    for output in names:
        try:
            session = stack.enter_context(begin(recording=output))
        except RecordingExists as error:
            taken = error
            continue
        _link(output)
        return session, output
    raise taken


def _names(config: MachineConfig, recording: RecordingOptions) -> Iterator[Path]:
    """Where to record: as was said, or under the next free number."""
    if recording.output is not None:
        return iter((Path(recording.output),))
    started_with = config.kernel or config.bios  # one of them is an image, or nothing would run
    return numbered(Path(started_with).stem, Path())


def _link(output: Path) -> None:
    """Have the verbs that are given no recording find this one, if it is in this directory."""
    if output.absolute().parent == Path.cwd() and not link_latest(output):
        say(f"lockstep: {LATEST} does not lead to this recording: name it, to replay it\n")


def _log_options(recording: RecordingOptions) -> _LogOptions:
    """What `live` is told about the recording. Raises UsageError."""
    every = recording.digest_interval
    if every < 0:
        raise UsageError(f"--digest-every {every} is not possible", remedy="0 means none")
    limit = None if recording.max_log is None else parse_size(recording.max_log, "--max-log")
    return {
        "force": recording.force,
        "digest_every": every,
        "max_log": limit,
        "embed": recording.pack,
    }
