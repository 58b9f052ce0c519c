"""A toy computer and a scripted outside: enough to record and replay without a real machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b

from lockstep.det.instant import FOREVER, START, Icount
from lockstep.det.state import Digests, digest
from lockstep.det.world import Arrival, World


class ScriptedWorld:
    """A live world whose arrivals and answers are written down beforehand."""

    def __init__(self, script: Sequence[tuple[int, Arrival]] = (), salt: bytes = b"") -> None:
        self.script = sorted(script, key=lambda each: each[0])
        self.salt = salt
        self.asked = 0
        self.shown = bytearray()

    def outlet(self, port: str) -> ScriptedWorld:
        return self

    def ask(self, question: str, size: int) -> bytes:
        self.asked += 1
        return blake2b(b"%d" % self.asked, key=self.salt, digest_size=size).digest()

    def emit(self, data: bytes) -> None:
        self.shown += data

    def horizon(self, now: Icount) -> Icount:
        return Icount(self.script[0][0]) if self.script else FOREVER

    def arrivals(self, now: Icount) -> list[Arrival]:
        taken = [arrival for at, arrival in self.script if at <= now]
        self.script = self.script[len(taken) :]
        return taken

    def checkpoint(self, kind: str, now: Icount, digests: Callable[[], Digests]) -> None:
        pass


class ToyMachine:
    """Mixes a number at each instruction, reads the clock every 100, prints every 150.

    `glitch` is an instant at which the hart goes wrong, `quirks` are instants at which it asks or
    prints (or does not) against its habit.
    """

    def __init__(self, glitch: int = -1, quirks: Sequence[tuple[int, str]] = ()) -> None:
        self.now = START
        self.number = 1
        self.received = b""
        self.glitch = glitch
        self.quirks = frozenset(quirks)

    def digests(self) -> Digests:
        return Digests(
            [digest(self.number)],
            {"uart": digest(self.received), "plic": digest(0)},
            digest(self.number >> 16),
        )

    def run(self, world: World, end: int, *, slice_size: int = 1 << 40) -> None:
        """Power on, run to instruction `end`, shut down."""
        world.checkpoint("machine-init", self.now, self.digests)
        while True:
            world.checkpoint("periodic", self.now, self.digests)
            for arrival in world.arrivals(self.now):
                self.received += arrival.data
                if arrival.port == "warp":
                    world.checkpoint("warp", self.now, self.digests)
            if self.now >= end:
                break
            until = min(end, world.horizon(self.now), self.now + slice_size)
            while self.now < until:
                self.step(world)
        world.checkpoint("shutdown", self.now, self.digests)

    def step(self, world: World) -> None:
        at = self.now
        self.number = (self.number * 6364136223846793005 + len(self.received) + 1) % 2**64
        if (at % 100 == 50) != ((at, "ask") in self.quirks):
            answer = world.outlet("rtc").ask("wall-clock", 8)
            self.number ^= int.from_bytes(answer, "little")
        if (at % 150 == 0) != ((at, "print") in self.quirks):
            text = b"at %d\n" % at
            world.outlet("serial0").emit(text.upper() if (at, "shout") in self.quirks else text)
        if at == self.glitch:
            self.number ^= 1
        self.now = Icount(at + 1)
