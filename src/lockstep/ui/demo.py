"""The demonstration: a guest that depends on everything, recorded, replayed, and run once more."""

import random
import tempfile
import threading
import time
from functools import partial
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Final, NamedTuple

from rich.console import Console as Screen
from rich.table import Table
from rich.text import Text

from lockstep.errors import Divergence
from lockstep.host.serial import NullSerial
from lockstep.session import api
from lockstep.session.archive import open_log
from lockstep.session.blame import replay_fairly
from lockstep.session.build import live, replayed
from lockstep.session.config import MachineConfig
from lockstep.session.console import Console
from lockstep.session.loop import Session
from lockstep.session.outcome import Outcome
from lockstep.session.regions import Code
from lockstep.stops import leave
from lockstep.threads import start

KEYS: Final = "heads or tails?"
_FACTS: Final = ("typed meanwhile", "timer interrupts", "lucky numbers", "fingerprint")


class Seen(NamedTuple):
    """What came of one run."""

    console: bytes
    seconds: float


class _Shown(NullSerial):
    """A console that is kept and, if wanted, shown as it comes."""

    def __init__(self, screen: Screen | None) -> None:
        self.data = bytearray()
        self._screen = screen

    def emit(self, data: bytes) -> None:
        """Keep it, show it."""
        self.data += data
        if self._screen is not None:
            self._screen.out(data.decode("ascii", "replace"), end="", style="cyan")
            self._screen.file.flush()


def show(*, quiet: bool = False) -> tuple[bool, dict[str, Any]]:
    """Show it all on standard output, or be `quiet`. Whether the replay matched, and what the
    recording holds."""
    screen = Screen(highlight=False, quiet=quiet)
    with (
        as_file(files("lockstep.ui") / "data" / "demo.elf") as guest,
        tempfile.TemporaryDirectory() as directory,
    ):
        config = MachineConfig(kernel=str(guest), bios="none", smp=2, memory=16 << 20)
        recording = Path(directory) / "demo.lockstep"
        screen.print("[bold]1. Record[/bold]  a lottery whose numbers hang on the wall clock, on")
        screen.print("   when timers go off and keys are pressed, and on how two harts race:")
        first = _run(config, screen, recording)
        screen.print("[bold]2. Replay[/bold]  the recording, with nobody typing and no clock read")
        second, matched = _replay(recording)
        screen.print("[bold]3. Run again[/bold]  without it, typing the same\n")
        third = _run(config, None, None)
        facts = api.info(recording)
    screen.print(_compared(first, second, third))
    _conclude(screen, facts, matched, first.console == second.console)
    return matched, facts


def _run(config: MachineConfig, screen: Screen | None, recording: Path | None) -> Seen:
    far_end = _Shown(screen)
    started = time.monotonic()
    with live(config, Console(far_end), recording=recording, digest_every=1_000_000) as session:
        typist = threading.Thread(target=_type, args=(session,), daemon=True)
        start(typist)
        outcome = session.run()
        typist.join()
    _heed(outcome)
    return Seen(bytes(far_end.data), time.monotonic() - started)


def _type(session: Session) -> None:
    """Press keys as a person does: when it pleases them."""
    for key in KEYS:
        time.sleep(random.uniform(0.02, 0.1))
        if not session.mailbox.leave(partial(session.type_in, key.encode())):
            return


def _replay(recording: Path) -> tuple[Seen, bool]:
    far_end = _Shown(None)
    started = time.monotonic()
    matched = True

    def attempt(code: Code) -> Outcome:
        far_end.data.clear()
        with replayed(log, Console(far_end), code=code) as session:
            return session.run()

    with open_log(recording) as log:
        try:
            _heed(replay_fairly(log, attempt))
        except Divergence:
            matched = False
    return Seen(bytes(far_end.data), time.monotonic() - started), matched


def _heed(outcome: Outcome) -> None:
    """A signal ended the session: it was meant for the demonstration."""
    if outcome.exit_status > 128:
        leave(outcome.exit_status)


def _compared(first: Seen, second: Seen, third: Seen) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
    for heading in ("", "recorded", "replayed", "run again"):
        table.add_column(heading, header_style="bold")
    columns = [_facts(seen.console) for seen in (first, second, third)]
    for name in _FACTS:
        recorded = columns[0].get(name, "?")
        values = [column.get(name, "?") for column in columns]
        styles = ["green" if value == recorded else "red" for value in values]
        cells = [Text(value, style) for value, style in zip(values, styles, strict=True)]
        table.add_row(name, *cells)
    table.add_row("seconds", *(f"{seen.seconds:.2f}" for seen in (first, second, third)))
    return table


def _facts(console: bytes) -> dict[str, str]:
    """What the guest says about itself at the end."""
    lines = [line.strip() for line in console.decode("ascii", "replace").splitlines()]
    return {
        name: line.removeprefix(name).strip().replace(" on hart", " on").replace("  ", " ")
        for line in lines
        for name in _FACTS
        if line.startswith(name)
    }


def _conclude(screen: Screen, facts: dict[str, object], matched: bool, same: bool) -> None:
    log = f"{facts['instructions']:,} instructions, a log of {facts['log_bytes']:,} bytes"
    if matched and same:
        screen.print(f"\n[bold green]The replay matched[/bold green], digest for digest: {log}.")
    else:
        screen.print(f"\n[bold red]The replay did not match[/bold red]: {log}.")
