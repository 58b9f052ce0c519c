"""How a session ended, and what the outside may ask of the machine's power."""

from typing import Final, Literal

import msgspec

POWER: Final = "power"
WARP: Final = "warp"
"""Ports of the whole machine, not of a device."""

SERIAL: Final = "serial0"
"""The port of the console."""

Reason = Literal["poweroff", "fail", "interrupt", "quit", "idle", "log-full", "until"]

ENDINGS: Final[dict[bytes, Reason]] = {
    b"interrupt": "interrupt",  # SIGINT or SIGTERM
    b"quit": "quit",  # Ctrl-A x, or quit in the monitor
    b"idle": "idle",  # every hart waits, and nothing can come
    b"log-full": "log-full",  # --max-log is reached
}
"""Requests that end the session at once, whatever the guest does."""

RESET: Final = b"reset"
SHUTDOWN: Final = b"shutdown"
"""Requests to the machine's own power button and reset button."""

_SAID: Final[dict[Reason, str]] = {
    "poweroff": "the machine powered off",
    "fail": "the guest reported failure, code {code}",
    "interrupt": "interrupted",
    "quit": "quit",
    "idle": "the guest waits forever: no timer is set and no input can come",
    "log-full": "the recording has reached --max-log, so the machine was stopped",
    "until": "stopped where it was asked to",
}


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
        said = _SAID[self.reason].format(code=self.code)
        return f"{said} after {self.instructions:,} instructions"

    @property
    def exit_status(self) -> int:
        """What a command that ran the machine live ends with. A guest that halts for ever may have
        done all it was to do."""
        return {"fail": 1, "interrupt": 130}.get(self.reason, 0)
