"""How a session ended, for programs: what `run`, `record` and `replay` say with --json."""

import json
from typing import Any

from lockstep.session.console import say
from lockstep.session.outcome import Outcome


def say_result(outcome: Outcome, exit_status: int, **more: Any) -> None:
    """One line, the last of standard error: standard output is the guest's."""
    found = {
        "ok": exit_status == 0,
        "exit_status": exit_status,
        "ended_by": outcome.reason,
        "instructions": outcome.instructions,
        "virtual_ns": outcome.virtual_ns,
        "guest_code": outcome.guest_code,
    }
    say(json.dumps({**found, **more}) + "\n")
