"""The compiler beside the guest may die; the guest does the same, and who should know is told."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from conformance.assembler import Assembler
from fakes.images import elf
from fakes.terminal import Terminal
from lockstep.cpu.layout import PAGE
from lockstep.host.serial import NullSerial
from lockstep.session import api
from lockstep.session.build import live
from lockstep.session.config import MachineConfig
from lockstep.session.console import Console
from lockstep.session.regions import RESTARTS, Supply

TESTS = Path(__file__).parents[2]
BASE = 0x8000_0000
PATIENCE_S = 30
SMITH = b"lockstep.session.smith"


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that there is something to compile."""
    monkeypatch.setenv("LOCKSTEP_CACHE_SIZE", "0")


@pytest.fixture
def frail(monkeypatch: pytest.MonkeyPatch) -> None:
    """A compiler that every order kills."""
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    monkeypatch.setattr("lockstep.session.regions._SMITH", "fakes.helper")


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supply(frail: None, said: list[str]) -> Iterator[Supply]:
    made = Supply(said.append)
    yield made
    made.close()


@pytest.fixture
def guest(tmp_path: Path) -> Path:
    """Goes round for ever, through more hot pages than a compiler has lives."""
    pages = RESTARTS + 3
    code = Assembler(BASE)
    for page in range(pages):
        code.label(f"page{page}")
        code.constant(5, 1_000 + page)
        code.label(f"loop{page}")
        code.emit("addi", rd=5, rs1=5, imm=-1)
        code.branch("bne", f"loop{page}", rs1=5, rs2=0)
        code.branch("jal", f"page{(page + 1) % pages}", rd=0)
        while code.here % PAGE:
            code.emit("addi")
    (tmp_path / "round.elf").write_bytes(elf((BASE, code.finish(), pages * PAGE)))
    return tmp_path / "round.elf"


def asked(supply: Supply, order: bytes) -> bytes | None:
    assert supply.aide is not None
    return supply.aide(order)


def restarts(supply: Supply) -> int:
    return supply.stats()["compiler_restarts"]


def test_a_compiler_that_died_is_started_again(supply: Supply, said: list[str]) -> None:
    """For the next order; the one that killed it has no result, and nobody is bothered."""
    assert asked(supply, b"echo one") == b"one"
    for _ in range(RESTARTS):
        assert asked(supply, b"kill") == b""
        assert asked(supply, b"echo two") == b"two"
    assert restarts(supply) == RESTARTS
    assert said == []


def test_one_that_dies_too_often_is_given_up_with_a_word(supply: Supply, said: list[str]) -> None:
    """A single line: how often, what that means, where to look, and how it died."""
    results = [asked(supply, b"leave so\nfull of\nwoe\n") for _ in range(RESTARTS + 3)]
    assert results == [b""] * RESTARTS + [None] * 3
    assert restarts(supply) == RESTARTS
    (line,) = said
    assert "\n" not in line
    for words in ("died 4 times", "more slowly", "same results", "--stats", "woe"):
        assert words in line


def test_the_signal_that_ended_it_is_named(supply: Supply, said: list[str]) -> None:
    for _ in range(RESTARTS + 1):
        asked(supply, b"kill")
    assert said[0].endswith("signal 9")


def test_closing_is_no_death(supply: Supply, said: list[str], tmp_path: Path) -> None:
    """Nobody is told, and none is started again for what is ordered meanwhile."""
    results: list[bytes | None] = []

    def ask() -> None:
        for order in (b"hang " + os.fsencode(tmp_path / "pid"), b"echo x"):
            results.append(asked(supply, order))

    asking = threading.Thread(target=ask)
    asking.start()
    wait_for((tmp_path / "pid").exists)
    supply.close()
    asking.join(PATIENCE_S)
    assert results == [None, None]
    assert restarts(supply) == 0
    assert said == []


def test_a_guest_goes_on_without_its_compiler(
    frail: None, guest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends when it is told that there is none; what it did is what the interpreter does."""
    told = []
    config = MachineConfig(kernel=str(guest), bios="none", memory=16 << 20)
    with live(
        config, Console(NullSerial()), recording=tmp_path / "r", digest_every=1 << 20, pace="none"
    ) as run:

        def say(text: str) -> None:
            told.append(text)
            run.mailbox.leave(partial(run.request, b"quit"))

        monkeypatch.setattr("lockstep.session.build.say", say)
        assert run.run().reason == "quit"
    (line,) = told
    assert line.startswith("lockstep: the compiler of hot code died 4 times")
    stats = api.info(tmp_path / "r")["stats"]
    assert stats["compiler_restarts"] == RESTARTS
    assert stats["instructions_in_regions"] == stats["compiled_pages"] == 0
    assert api.replay(tmp_path / "r", engine="interp").outcome.instructions > 0


def test_a_compiler_that_is_killed_is_replaced(guest: Path) -> None:
    """By somebody, before it has made anything; later regions are made all the same."""
    config = MachineConfig(kernel=str(guest), bios="none", memory=16 << 20)
    with live(config, Console(NullSerial()), pace="none") as run:

        def disturb() -> None:
            try:
                wait_for(lambda: smiths(os.getpid()))
                os.kill(smiths(os.getpid())[0], signal.SIGKILL)
                wait_for(lambda: run.mailbox.ask(run.stats)["instructions_in_regions"])
            finally:
                run.mailbox.leave(partial(run.request, b"quit"))

        somebody = threading.Thread(target=disturb)
        somebody.start()
        run.run()
        somebody.join()
        stats = run.stats()
    assert stats["compiler_restarts"] == 1
    assert stats["instructions_in_regions"] > 0


def test_ctrl_c_is_not_for_the_compiler(guest: Path) -> None:
    """The terminal signals all that is in its foreground; nothing of ours but the end is heard."""
    machine = ("--bios", "none", "--kernel", guest, "--memory", "16M", "--serial", "null")
    tty = Terminal("run", *machine, "--stats")
    try:
        wait_for(lambda: smiths(tty.process.pid))
        tty.type(b"\x03")
        assert tty.ended() == 130
        tty.expect(b"^Clockstep: interrupted after ")
        said = tty.rest()
        assert b"died" not in said
        assert restarts_shown(said) == 0
    finally:
        tty.close()


def restarts_shown(table: bytes) -> int:
    (line,) = [line for line in table.splitlines() if b"started again" in line]
    return int(line.split()[-1])


def smiths(parent: int) -> list[int]:
    """The compilers that a process has started."""
    found = []
    for task in Path(f"/proc/{parent}/task").iterdir():
        with suppress(OSError):  # it has just ended
            for pid in (task / "children").read_text().split():
                if SMITH in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(int(pid))
    return found


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)
