"""What a recording grows by while the machine does nothing new: next to nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lockstep.det.instant import Icount
from lockstep.host.serial import NullSerial
from lockstep.replay.periodic import FURTHEST, Stretching
from lockstep.session import api, archive
from lockstep.session.build import live
from lockstep.session.config import MachineConfig
from lockstep.session.console import Console
from lockstep.session.outcome import Until

SPINS = {
    "j .": (0x6F,),
    "a loop": (0x13, 0x13, 0xFF9F_F06F),  # nop; nop; j .-8
    "a counter": (0x0015_0513, 0xFFDF_F06F),  # addi a0, a0, 1; j .-4
}
POLLS = (0x1000_02B7, 0x0052_C303, 0xFFDF_F06F)  # lui t0, 0x10000; lbu t1, 5(t0); j .-4
STORES = (0x1297, 0x0062_B023, 0x0013_0313, 0xFF9F_F06F)  # auipc t0, 1; sd t1, (t0); addi; j .-8


def guest(folder: Path, words: tuple[int, ...]) -> dict[str, Any]:
    kernel = folder / "guest.bin"
    kernel.write_bytes(b"".join(word.to_bytes(4, "little") for word in words))
    return {"kernel": str(kernel), "bios": "none", "memory": 16 << 20, "pace": "none"}


def periodic(path: Path) -> list[int]:
    """The instants of a recording's periodic checkpoints."""
    return [each["at"] for each in api.events(path) if each.get("reason") == "periodic"]


@pytest.mark.parametrize("every", [1, 100_000, 500_000_000])
@pytest.mark.parametrize("words", SPINS.values(), ids=SPINS)
def test_a_guest_that_spins_fills_no_disk(
    tmp_path: Path, words: tuple[int, ...], every: int
) -> None:
    """However fast virtual time passes, and whatever the distance."""
    path = tmp_path / "r"
    api.record(path, digest_every=every, until="4s", **guest(tmp_path, words))
    assert len(periodic(path)) < 20
    assert api.info(path)["log_bytes"] < 3_000
    assert api.replay(path).outcome.reason == "until"
    archive.check(path)


def test_nor_does_one_that_asks_a_device_again_and_again(tmp_path: Path) -> None:
    """What it reads is always the same."""
    path = tmp_path / "r"
    api.record(path, digest_every=1_000, until=200_000, **guest(tmp_path, POLLS))
    assert periodic(path) == [1_000, 2_000, 6_000, 22_000, 86_000]


def test_one_that_works_is_looked_at_as_often_as_was_asked_for(tmp_path: Path) -> None:
    """It writes to memory."""
    path = tmp_path / "r"
    api.record(path, digest_every=1_000, until=20_000, **guest(tmp_path, STORES))
    assert periodic(path) == list(range(1_000, 21_000, 1_000))


def test_an_arrival_ends_the_calm(tmp_path: Path) -> None:
    """From there on the distance is the plain one again, and a replay knows."""
    path = tmp_path / "r"
    options = guest(tmp_path, POLLS)
    pace = options.pop("pace")
    end = Until(at=Icount(50_000))
    console = Console(NullSerial())
    with live(
        MachineConfig(**options), console, recording=path, digest_every=10, pace=pace, until=end
    ) as session:
        session.mailbox.leave(lambda: session.type_in(b"x"))
        session.run()
    typed = next(each["at"] for each in api.events(path) if each["kind"] == "serial")
    after = [at for at in periodic(path) if at > typed]
    assert after[:2] == [typed - typed % 10 + 10, typed - typed % 10 + 20]
    api.replay(path)
    archive.check(path)


def test_the_distance_has_an_end() -> None:
    """A recording is never without a digest for longer than 74 minutes of virtual time."""
    stretching = Stretching(1_000)
    distances = [stretching.distance(b"same") for _ in range(40)]
    assert distances[:3] == [None, 4_000, 16_000]
    assert FURTHEST // 4 < (distances[-1] or 0) <= FURTHEST <= 74 * 60 * 250_000_000
