"""How a session ended, and what the outside may ask of the machine's power."""

from typing import Final, Literal, NamedTuple

import msgspec

from lockstep.det.instant import FOREVER, LATEST_NS, Icount

POWER: Final = "power"
WARP: Final = "warp"
"""Ports of the whole machine, not of a device."""

SERIAL: Final = "serial0"
"""The port of the console."""

Reason = Literal[
    "poweroff",
    "fail",
    "no-reboot",
    "idle",
    "until",
    "end-of-time",
    "log-full",
    "quit",
    "timeout",
    "hangup",
    "interrupt",
    "terminate",
]


class _End(NamedTuple):
    """What is said, and what a command that ran the machine live ends with. `asked`: it comes from
    outside, as a request of this name, and ends the session whatever the guest does."""

    said: str
    exit_status: int = 0
    asked: bool = False


_ENDS: Final[dict[Reason, _End]] = {
    "poweroff": _End("the machine powered off"),
    "fail": _End("the guest reported failure, code {code},", 1),
    "no-reboot": _End("the machine was to be reset, and ended instead"),
    "idle": _End("the guest waits forever: no timer is set and no input can come", 7, asked=True),
    "until": _End("stopped where it was asked to", asked=True),
    "end-of-time": _End("virtual time has come to its end", asked=True),
    "log-full": _End("the recording has reached --max-log, so the machine was stopped", asked=True),
    "quit": _End("quit", asked=True),
    "timeout": _End("the time allowed was over", 124, asked=True),  # as timeout(1) has it
    "hangup": _End("hung up", 129, asked=True),  # 128 + the number of the signal, as a shell has it
    "interrupt": _End("interrupted", 130, asked=True),
    "terminate": _End("terminated", 143, asked=True),
}
"""Every way in which a session ends. A recording holds these names."""

ENDINGS: Final[dict[bytes, Reason]] = {
    reason.encode(): reason for reason, end in _ENDS.items() if end.asked
}
"""Requests that end the session at once."""

RESET: Final = b"reset"
SHUTDOWN: Final = b"shutdown"
"""Requests to the machine's own power button and reset button."""


class Until(NamedTuple):
    """Where a session ends at the latest: at an instant, or as soon as virtual time is so far."""

    at: Icount = FOREVER
    virtual_ns: int = LATEST_NS


TO_THE_END: Final = Until()


_SIGNALLED: Final = 128


class Outcome(msgspec.Struct, frozen=True):
    """The end of a session."""

    reason: Reason
    instructions: int
    virtual_ns: int
    code: int = 0
    given_up: bool = False
    """The user did not wait for the end of a replay."""

    def describe(self) -> str:
        """For people."""
        said = _ENDS[self.reason].said.format(code=self.code)
        plural = "" if self.instructions == 1 else "s"
        return f"{said} after {self.instructions:,} instruction{plural}"

    @property
    def exit_status(self) -> int:
        """What a command that ran the machine live ends with."""
        return _ENDS[self.reason].exit_status

    @property
    def stopped(self) -> bool:
        """Whether a signal ended it: its status is then 128 and the signal's number, as a shell has
        it."""
        return self.exit_status > _SIGNALLED

    @property
    def guest_code(self) -> int | None:
        """What the guest said of its own success: 0 if it powered off; None if it said nothing."""
        return self.code if self.reason in ("poweroff", "fail") else None
