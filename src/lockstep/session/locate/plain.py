"""What went wrong as JSON values: for `--json`."""

from typing import Any

import msgspec

from lockstep.errors import LockstepError
from lockstep.replay.chain import AlteredLog
from lockstep.replay.divergence import ReplayDivergence
from lockstep.session.locate.inquiry import Found


def plain(error: LockstepError, found: Found | None = None) -> dict[str, Any]:
    """Status, message and remedy; the report if a replay diverged, and what was found out."""
    said: dict[str, Any] = {
        "ok": False,
        "exit_status": error.exit_status,
        "kind": error.kind,
        "error": error.message,
        "remedy": error.remedy,
    }
    if isinstance(error, ReplayDivergence):
        said["report"] = msgspec.to_builtins(error.report)
    if isinstance(error, AlteredLog):
        said["altered"] = [error.first, error.last]
    if found is not None:
        said["found"] = msgspec.to_builtins(found)
    return said
