"""The compiler's process answers a lockstep of its own version, and no other."""

import pytest

from lockstep.cpu.native.messages import Portion, Request, encode
from lockstep.cpu.native.regions.compiler import OtherVersion, answer


def test_another_version_gets_no_code() -> None:
    """It would be linked and kept as if it were its own."""
    with pytest.raises(OtherVersion, match="installed anew"):
        answer(encode(Request("of last week", Portion(1))))
