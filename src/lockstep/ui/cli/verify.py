"""lockstep verify: is this recording whole, and does it replay?"""

from lockstep.ui.cli import options as o


def verify(recording: o.Recording) -> None:
    """Read all of a recording, replay it without its console, and compare every digest."""
    from lockstep.ui.cli.again import verify_recording

    verify_recording(recording)
