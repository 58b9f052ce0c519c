"""How an error is told: in words on standard error or, with --json, as one JSON object.

That goes where the verb's own result goes. The verbs that show the guest's console leave standard
output to it alone, so their results are the last line of standard error.
"""

import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from lockstep.errors import LockstepError
from lockstep.ui.cli.plain import plain

CONSOLE_VERBS: Final = frozenset({"run", "record", "replay"})
_LINE_BY_LINE: Final = frozenset({"events"})


def wants_json(arguments: Sequence[str]) -> bool:
    """Whether it is to be JSON. Asked of the command line as it is, which may be all wrong."""
    return "--json" in arguments


def tell(error: LockstepError, arguments: Sequence[str]) -> None:
    """Tell the user, or the program, of an error."""
    if not wants_json(arguments):
        print(plain(f"lockstep: {error.message}"), file=sys.stderr)
        if error.remedy:
            print(plain(f"  remedy: {error.remedy}"), file=sys.stderr)
        return
    from lockstep.session.locate.plain import plain as as_values

    _print(as_values(error), arguments)


def tell_stopped(exit_status: int, arguments: Sequence[str]) -> None:
    """Tell the program that a signal ended the verb; people have sent it themselves."""
    words = {"kind": "stopped", "error": "a signal ended it", "remedy": "run it again"}
    _print({"ok": False, "exit_status": exit_status, **words}, arguments)


def _print(said: dict[str, Any], arguments: Sequence[str]) -> None:
    verb = next((each for each in arguments if not each.startswith("-")), "")
    if verb in CONSOLE_VERBS:
        print(json.dumps(said), file=sys.stderr)
        return
    with suppress(BrokenPipeError):  # a reader who has left; the status says it all the same
        print(json.dumps(said, indent=None if verb in _LINE_BY_LINE else 2))
