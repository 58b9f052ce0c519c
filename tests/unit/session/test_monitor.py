"""The monitor's line and its commands."""

import pytest

from lockstep.det.locks import Locks
from lockstep.session.control import Mailbox, Status
from lockstep.session.monitor import PROMPT, Monitor


class FakeDesk:
    def __init__(self):
        self.requests = []
        self.locks = Locks(enabled=False)
        self.mailbox = Mailbox(lambda: None, self.locks)

    def request(self, power):
        self.requests.append(power)

    def status(self):
        return Status(
            instructions=1_234_567,
            virtual_ns=2_500_000_000,
            pcs=(0x80000000,),
            idle=True,
            locks=self.locks.counts(),
        )


@pytest.fixture
def desk():
    return FakeDesk()


@pytest.fixture
def said():
    return []


@pytest.fixture
def monitor(desk, said):
    return Monitor(desk, said.append)


@pytest.mark.parametrize(
    ("line", "request_"),
    [("quit", b"quit"), ("system_reset", b"reset"), ("system_powerdown", b"shutdown")],
)
def test_requests(monitor, desk, line, request_):
    """What is asked of the machine is recorded like everything from outside."""
    monitor.type(line.encode() + b"\r")
    assert desk.requests == [request_]


def test_info_is_answered_when_no_hart_runs(monitor, desk, said):
    """It goes through the mailbox."""
    monitor.type(b"info\r")
    assert desk.mailbox.waiting
    desk.mailbox.serve()
    report = "".join(said)
    for words in ("1,234,567", "2.500000 s", "0x80000000", "(waiting)"):
        assert words in report


def test_the_locks_of_a_live_session(monitor, desk, said):
    """Who took them how often; the replay mutex is not used without a recording."""
    with desk.locks.big:
        pass
    monitor.type(b"locks\r")
    desk.mailbox.serve()
    report = "".join(said)
    assert "big lock, MainThread: taken 1 times" in report
    assert "replay mutex: not used" in report


def test_help_names_every_command(monitor, said):
    """And what it does."""
    monitor.type(b"help\r")
    for name in ("help", "info", "quit", "system_reset", "system_powerdown"):
        assert name in "".join(said)


def test_the_line_can_be_edited(monitor, desk, said):
    """Backspace and Ctrl-U; other control keys are nothing."""
    monitor.type(b"rubbish\x15quix\x7ft\r")
    assert desk.requests == [b"quit"]
    monitor.type(b"\x7f\r")
    assert said[-1] == PROMPT


@pytest.mark.parametrize(
    ("line", "requests"),
    [
        (b"q\r", [b"quit"]),
        (b"system_r\r", [b"reset"]),
        (b"system\r", []),
        (b"syst\t\tp\t\r", [b"shutdown"]),
        (b"system_reset\x03quit\r", [b"quit"]),
        (b"q\r\x1b[A\r", [b"quit", b"quit"]),
    ],
    ids=["short", "clear", "unclear", "Tab", "Ctrl-C", "history"],
)
def test_commands_need_not_be_typed_in_full(monitor, desk, line, requests):
    """Abbreviated as long as it is clear, completed, brought back; Ctrl-C forgets the line."""
    monitor.type(line)
    assert desk.requests == requests


def test_what_a_short_command_may_mean_is_said(monitor, said):
    """Rather than one of them done."""
    monitor.type(b"system\r")
    assert "system_reset, system_powerdown" in "".join(said)


def test_an_answer_that_comes_late_leaves_the_line_as_it_was(monitor, desk, said):
    """It appears before the prompt, which comes but once."""
    monitor.enter()
    monitor.type(b"info\rqu")
    said.clear()
    desk.mailbox.serve()
    assert "".join(said).startswith("instructions")
    assert "".join(said).endswith(f"{PROMPT}qu")


def test_a_typing_error_is_answered(monitor, said):
    """With a hint."""
    monitor.type(b"hlep\r")
    assert "try help" in "".join(said)
