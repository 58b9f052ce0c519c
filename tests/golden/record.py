"""Made the golden recordings: `python tests/golden/record.py DIRECTORY`. Kept to show how.

A golden recording is never made anew: that it still replays is the point. A later version of the
format gets a directory of its own, a later revision a recording of its own.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

from lockstep.session import api, archive
from stress.recording import Recording

DEMO = files("lockstep.ui") / "data" / "demo.elf"
WORDS = (0x100002B7, 0x02100313, 0x00628023, 0x001002B7, 0x00073337, 0x33330313, 0x0062A023)
FAILING = b"".join(word.to_bytes(4, "little") for word in WORDS)
"""A guest that writes ! to the UART, and 0x73333 to the finisher."""
BUILT = Path(__file__).parents[2] / "guests" / "build"


def facts(path: Path) -> dict[str, Any]:
    """What must be read from it for ever."""
    known = archive.info(path)
    events = {kind: each["count"] for kind, each in known["events"].items()}
    names = ("complete", "instructions", "final_digest", "ended_by", "output_bytes")
    return {"events": events} | {name: known[name] for name in names}


def record(directory: Path) -> None:
    """All of them. They name their images by path, packed or not: so by one that is nobody's."""
    directory = directory.absolute()
    images = Path("/tmp/golden-guests")
    images.mkdir(exist_ok=True)
    shutil.copy(DEMO, images / "lottery.elf")
    for guest in ("irq", "reboot", "beat"):
        shutil.copy(BUILT / f"{guest}.elf", images)
    machine: dict[str, Any] = {"bios": "none", "memory": 16 << 20, "embed": True}
    for name, guest, harts, every, keys in (
        ("lottery", "lottery", 2, 50_000, b"heads or tails?"),
        ("irq", "irq", 8, 500_000, b""),
        ("reboot", "reboot", 1, 200_000, b""),
        ("counted", "lottery", 2, 50_000, b""),  # revision 3: with statistics
    ):
        kernel = str(images / f"{guest}.elf")
        path = directory / f"{name}.lockstep"
        api.record(path, kernel=kernel, smp=harts, digest_every=every, typed=keys, **machine)
    _ended(directory, images, machine)
    _beside(directory, machine)
    _cut(images, directory)
    shutil.rmtree(images)
    recordings = sorted(directory.glob("*.lockstep"))
    expected = {each.name: facts(each) for each in recordings}
    (directory / "expected.json").write_text(json.dumps(expected, indent=2) + "\n")


def _ended(directory: Path, images: Path, machine: dict[str, Any]) -> None:
    """Revision 4: an end that was asked for, and what the guest said of its own failure."""
    lottery = str(images / "lottery.elf")
    api.record(directory / "until.lockstep", kernel=lottery, until="20ms", **machine)
    failing = images / "failing.bin"
    failing.write_bytes(FAILING)
    api.record(directory / "failing.lockstep", kernel=str(failing), **machine)


def _beside(directory: Path, machine: dict[str, Any]) -> None:
    """Revision 4: a recording that names its image, which lies beside it, by name and hash."""
    kernel = directory / "beside.lockstep.bin"
    kernel.write_bytes(FAILING)
    api.record(directory / "beside.lockstep", kernel=str(kernel), **(machine | {"embed": False}))


def _cut(images: Path, directory: Path) -> None:
    """One that was killed, with its -wal file; one of it, recovered."""
    path = images / "r"
    options = ("--smp", 2, "--digest-every", 1_000_000, "--pack", "--kernel", images / "beat.elf")
    with Recording(path, *options) as recording:
        recording.wait_for_a_beat()
        time.sleep(1.2)
    for suffix in ("", "-wal"):
        shutil.copy(images / f"r{suffix}", directory / f"killed.lockstep{suffix}")
    archive.recover(path, directory / "recovered.lockstep")


if __name__ == "__main__":
    record(Path(sys.argv[1]))
