"""Threads are the host's to give, and it may have none left."""

import threading

from lockstep.errors import HostFailure


def start(thread: threading.Thread) -> None:
    """Start it, or raise HostFailure: then it never runs."""
    try:
        thread.start()
    except RuntimeError as error:  # "can't start new thread"; it is never started twice
        raise HostFailure(
            f"the host has no thread for the {thread.name}: {error}",
            remedy="End other programs, or raise the limit of processes (ulimit -u, pids.max).",
        ) from error
