"""Pipes and terminals whose reader is somewhere else."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Self


class Pipe:
    """A pipe that is full when told so, and read when told so."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        self.filling = b""
        self.read_so_far = b""

    def fill(self) -> None:
        """Who writes waits until somebody reads."""
        self.filling += fill(self.writer)

    def read(self, until: bytes) -> bytes:
        """Wait for what ends so."""
        while not self.read_so_far.endswith(until):
            self.read_so_far += os.read(self.reader, 1 << 16)
        return self.read_so_far

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.reader)
        os.close(self.writer)


def fill(fd: int) -> bytes:
    """Write to it until it takes no more, to the last byte."""
    os.set_blocking(fd, False)
    written = _write(fd, b"." * 4096) + _write(fd, b".")
    os.set_blocking(fd, True)
    return written


def _write(fd: int, piece: bytes) -> bytes:
    """Again and again, while there is room."""
    written = b""
    with suppress(BlockingIOError):
        while True:
            written += piece[: os.write(fd, piece)]
    return written
