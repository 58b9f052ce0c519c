"""Runs one command to its end and times it: the wall clock, the processor, the first output."""

from __future__ import annotations

import os
import select
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final, NamedTuple

PATIENCE_S: Final = 600.0
_CHUNK: Final = 1 << 16


class Failed(Exception):
    """A command that did not do its job: there is nothing to time."""


class Sample(NamedTuple):
    """One run. `first_s` is when the first output came; `cpu_s` is of all its threads."""

    wall_s: float
    first_s: float
    cpu_s: float
    output: bytes


def timed(command: Sequence[str], environment: dict[str, str] | None = None) -> Sample:
    """Run `command`, with `environment` added to ours, and time it."""
    with tempfile.TemporaryFile() as errors:
        started = time.monotonic()
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=_environment() | (environment or {}),
        )
        with _ended(child):
            sample = _watch(child, started)
        if child.returncode != 0:
            errors.seek(0)
            told = errors.read().decode(errors="replace").strip()
            raise Failed(f"exit status {child.returncode}: {' '.join(command)}\n{told}")
    return sample


def _environment() -> dict[str, str]:
    """Ours, but Python may keep what it compiles: else every start would compile lockstep anew."""
    return {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


@contextmanager
def _ended(child: subprocess.Popen[bytes]) -> Iterator[None]:
    """Whatever happens, the child does not outlive the context."""
    with child:
        try:
            yield
        except BaseException:
            child.kill()
            raise


def _watch(child: subprocess.Popen[bytes], started: float) -> Sample:
    """Gather the output until the process ends, which its pidfd tells to the microsecond."""
    assert child.stdout is not None
    output, first_s = bytearray(), 0.0
    source, end = child.stdout.fileno(), os.pidfd_open(child.pid)
    poller = select.poll()
    poller.register(source, select.POLLIN)
    poller.register(end, select.POLLIN)
    try:
        while (ready := _wait(poller, child, started)) != {end}:
            if source in ready and (data := os.read(source, _CHUNK)):
                first_s = first_s or time.monotonic() - started
                output += data
            elif source in ready:
                poller.unregister(source)
        wall_s = time.monotonic() - started
    finally:
        os.close(end)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return Sample(wall_s, first_s, used.ru_utime + used.ru_stime, bytes(output))


def _wait(poller: select.poll, child: subprocess.Popen[bytes], started: float) -> set[int]:
    left_s = started + PATIENCE_S - time.monotonic()
    ready = {source for source, _ in poller.poll(max(left_s, 0) * 1000)}
    if not ready:
        raise Failed(f"still running after {PATIENCE_S:.0f} s: {child.args!r}")
    return ready
