"""What `run` and `record` share: a machine with the console that was asked for."""

from pathlib import Path

from lockstep.errors import UsageError
from lockstep.host.serial import check_written, open_serial
from lockstep.host.terminal import is_terminal
from lockstep.session.build import live
from lockstep.session.config import MachineConfig, parse_size
from lockstep.session.console import Console, say
from lockstep.ui.cli.stats import table

_KEYS = "Ctrl-A x quits, Ctrl-A h shows the other keys, Ctrl-C ends the session\n"


def start(
    config: MachineConfig,
    serial: str,
    *,
    recording: str | None = None,
    digest_every: int = 0,
    max_log: str | None = None,
    embed: bool = False,
    stats: bool = False,
) -> int:
    """Run it to its end; the exit status. `stats`: say where the time went."""
    if digest_every < 0:
        raise UsageError(f"--digest-every {digest_every} is not possible", remedy="0 means none")
    limit = None if max_log is None else parse_size(max_log, "--max-log")
    far_end = open_serial(serial, lambda text: say(f"lockstep: {text}\n"))
    interactive = serial == "stdio" and is_terminal(0)
    console = Console(far_end, interactive=interactive)
    try:
        with live(
            config,
            console,
            recording=None if recording is None else Path(recording),
            digest_every=digest_every,
            max_log=limit,
            embed=embed,
        ) as session:
            if interactive:
                say(_KEYS)
            outcome = session.run()
            counted = session.stats()
    finally:
        far_end.close()
    say(f"lockstep: {outcome.describe()}\n")
    if stats:
        say(table(counted) + "\n")
    if recording is None:
        check_written(far_end, "Free some space where it goes, or send it somewhere else.")
    else:
        say(f"lockstep: recorded in {recording}\n")
        check_written(far_end, f"The recording has all of it: lockstep replay {recording}")
    return outcome.exit_status
