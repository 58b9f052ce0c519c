"""What a linker makes of a file of assembly without a script runs, as on QEMU."""

import subprocess
from pathlib import Path

import pytest

from lockstep.session import api

SOURCE = """
    .globl _start
_start:
    li t0, 0x10000000   # the console
    li t1, 'k'
    sb t1, 0(t0)
    li t0, 0x100000     # the test finisher
    li t1, 0x5555
    sw t1, 0(t0)
1:  j 1b
"""


@pytest.mark.parametrize(
    "option", ["-Wl,--build-id=none", "-Wl,--build-id", "-Wl,-z,max-page-size=65536"]
)
def test_an_elf_file_linked_by_text_alone_runs(tmp_path: Path, option: str) -> None:
    """Its headers are in a segment below RAM, which nobody misses."""
    (tmp_path / "x.S").write_text(SOURCE)
    compiler = ("riscv64-unknown-elf-gcc", "-nostdlib", "-Ttext=0x80000000", option)
    subprocess.run([*compiler, "x.S", "-o", "x.elf"], cwd=tmp_path, check=True, timeout=60)
    made = api.record(
        tmp_path / "r", bios="none", kernel=str(tmp_path / "x.elf"), memory=16 << 20, idle="skip"
    )
    assert made.console == b"k"
    assert made.outcome.reason == "poweroff"
    assert api.replay(tmp_path / "r").console == b"k"
