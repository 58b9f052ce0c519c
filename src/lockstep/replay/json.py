"""JSON from a stranger: bounded before it is decoded, and every error of it is one of ours."""

import re
from itertools import accumulate
from typing import Any, Final

import msgspec

from lockstep.errors import BadRecording
from lockstep.replay.bounds import MAX_DEPTH

# Possessive, and the end of a string may be missing: nothing is looked at twice.
_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_STEPS: Final = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}


def decode_json(data: bytes, kind: type[Any]) -> Any:
    """A struct. Raises BadRecording and msgspec.MsgspecError."""
    if json_depth(data) > MAX_DEPTH:
        raise BadRecording(
            f"the recording is damaged: its JSON is more than {MAX_DEPTH} deep",
            remedy="Copy the file again from where it was recorded.",
        )
    try:
        return msgspec.json.decode(data, type=kind)
    except (ValueError, RecursionError) as error:  # a number of thousands of digits
        if isinstance(error, msgspec.MsgspecError):
            raise
        raise msgspec.ValidationError(str(error)) from error


def json_depth(data: bytes) -> int:
    """How many brackets are open at once."""
    brackets = _STRING.sub(b"", data).translate(None, _NOT_BRACKETS)
    return max(accumulate(_STEPS[each] for each in brackets), default=0)
