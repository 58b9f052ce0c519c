"""How an error is told: in words on standard error or, with --json, as one JSON object.

That goes where the verb's own result goes. The verbs that show the guest's console leave standard
output to it alone, so their results are the last line of standard error.
"""

import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from lockstep.errors import LockstepError
from lockstep.ui.cli.plain import plain

CONSOLE_VERBS: Final = frozenset({"run", "record", "replay"})


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

    verb = next((each for each in arguments if not each.startswith("-")), "")
    if verb in CONSOLE_VERBS:
        print(json.dumps(as_values(error)), file=sys.stderr)
    else:
        with suppress(BrokenPipeError):  # a reader who has left; the status says it all the same
            print(json.dumps(as_values(error), indent=2))
