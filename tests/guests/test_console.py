"""Debian's kernel at a terminal: what people type reaches it, and is recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes.process import lockstep
from fakes.terminal import Terminal


@pytest.mark.xdist_group("debian")
def test_a_break_and_a_key_are_a_sysrq_and_ctrl_c_is_the_guests(
    boot: list[str], tmp_path: Path
) -> None:
    """As on a serial line: Ctrl-A b h has the kernel list its commands, Ctrl-C is read."""
    path = tmp_path / "shell.lockstep"
    tty = Terminal("record", "-o", path, *boot, "--append", "console=ttyS0 rdinit=/bin/sh")
    try:
        tty.expect(b"# ")
        tty.type(b"\x01bh")
        tty.expect(b"sysrq: HELP")
        tty.type(b"busybox stty -isig; echo rea''dy; busybox head -c 1 | busybox od -An -tx1\r")
        tty.expect(b"ready")
        tty.type(b"\x03\r")
        tty.expect(b" 03\r")
        tty.type(b"\x01x")
        assert tty.ended() == 0
    finally:
        tty.close()
    done = lockstep("replay", path)
    assert done.returncode == 0, done.stderr
    assert b"sysrq: HELP" in done.stdout
