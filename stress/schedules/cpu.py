"""A cpu whose runs others can get in between of: on a stage, native code is one step otherwise."""

from __future__ import annotations

from typing import Any

from lockstep.cpu.engine import Cpu, Exit
from stress.schedules.place import Place


class Choppy:
    """Runs a cpu in short pieces; all else is the cpu's."""

    def __init__(self, cpu: Cpu, stage: Place) -> None:
        self._cpu = cpu
        self._stage = stage
        self._piece = stage.rng.choice((300, 3_000, 30_000))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cpu, name)

    def run(self, until: int) -> Exit:
        while True:
            piece = self._stage.rng.randrange(1, self._piece)
            exit = self._cpu.run(min(until, self._cpu.icount + piece))
            if exit is not Exit.DONE or self._cpu.icount == until:
                return exit
            self._stage.point("between two instructions")

    def request_stop(self) -> None:
        self._cpu.request_stop()
        self._stage.point("ask the harts to stop")
