"""What `run` and `record` share: a machine with the console that was asked for."""

from pathlib import Path
from typing import TypedDict

from lockstep.errors import UsageError
from lockstep.host.serial import check_written, open_serial
from lockstep.host.terminal import is_terminal
from lockstep.session.build import live
from lockstep.session.config import MachineConfig, parse_size
from lockstep.session.console import Console, say
from lockstep.session.instants import parse_timeout, parse_until
from lockstep.ui.cli.options import RecordingOptions, SessionOptions
from lockstep.ui.cli.stats import table

_KEYS = "lockstep: Ctrl-A x ends the session, Ctrl-A h shows all keys; Ctrl-C is the guest's\n"


class _LogOptions(TypedDict, total=False):
    digest_every: int
    max_log: int | None
    embed: bool


def start(
    config: MachineConfig, options: SessionOptions, recording: RecordingOptions | None = None
) -> int:
    """Run it to its end, recorded or not; the exit status."""
    output = None if recording is None else Path(recording.output)
    until = parse_until(options.until, "--until")
    timeout_ns = parse_timeout(options.timeout, "--timeout")
    far_end = open_serial(options.serial, lambda text: say(f"lockstep: {text}\n"))
    interactive = options.serial == "stdio" and is_terminal(0)
    console = Console(far_end, interactive=interactive)
    try:
        with live(
            config,
            console,
            recording=output,
            until=until,
            timeout_ns=timeout_ns,
            **_log_options(recording),
        ) as session:
            if interactive:
                say(_KEYS)
            outcome = session.run()
            counted = session.stats()
    finally:
        far_end.close()
    say(f"lockstep: {outcome.describe()}\n")
    if options.stats:
        say(table(counted) + "\n")
    if output is None:
        check_written(far_end, "Free some space where it goes, or send it somewhere else.")
    else:
        say(f"lockstep: recorded in {output}\n")
        check_written(far_end, f"The recording has all of it: lockstep replay {output}")
    return 0 if options.halt_ok and outcome.reason == "idle" else outcome.exit_status


def _log_options(recording: RecordingOptions | None) -> _LogOptions:
    """What `live` is told about the recording. Raises UsageError."""
    if recording is None:
        return {}
    every = recording.digest_interval
    if every < 0:
        raise UsageError(f"--digest-every {every} is not possible", remedy="0 means none")
    limit = None if recording.max_log is None else parse_size(recording.max_log, "--max-log")
    return {"digest_every": every, "max_log": limit, "embed": recording.pack}
