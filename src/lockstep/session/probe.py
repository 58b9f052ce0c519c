"""A probe: a world around another that stops the machine at chosen instants and does something.

A run with a probe is cut at more instants than one without, which changes nothing (DESIGN 3).
"""

from collections.abc import Callable, Mapping, Sequence

from lockstep.det.instant import Icount
from lockstep.det.state import Digests
from lockstep.det.world import Arrival, Outlet, World
from lockstep.machine.machine import Machine

Act = Callable[[Machine], None]
"""Done to a machine that stands still, in the vCPU thread, under both locks."""

_PERIODIC = "periodic"


class Seen(Exception):
    """Raised by an act: the rest of this run is of no interest."""


class Probe:
    """A `World`, once `around` was called.

    `acts` are done at their instants, after the digest there and ahead of arrivals. `last` is done
    after the checkpoint of the kind and instant that `at_checkpoint` says.
    """

    machine: Machine
    _world: World

    def __init__(
        self,
        acts: Mapping[Icount, Sequence[Act]],
        at_checkpoint: tuple[str, Icount] | None = None,
        last: Act = lambda machine: None,
    ) -> None:
        self._acts = dict(acts)
        self._stops = sorted(acts, reverse=True)
        self._at_checkpoint = at_checkpoint
        self._last = last

    def around(self, world: World) -> World:
        """The same world, with this probe in it."""
        self._world = world
        return self

    def outlet(self, port: str) -> Outlet:
        """That of the world inside."""
        return self._world.outlet(port)

    def horizon(self, now: Icount) -> Icount:
        """No further than the next stop."""
        inner = self._world.horizon(now)
        return min(inner, self._stops[-1]) if self._stops else inner

    def arrivals(self, now: Icount) -> Sequence[Arrival]:
        """Those of the world inside."""
        return self._world.arrivals(now)

    def checkpoint(self, kind: str, now: Icount, digests: Callable[[], Digests]) -> None:
        """Let the world inside check it, then do what is to be done here."""
        self._world.checkpoint(kind, now, digests)
        if kind == _PERIODIC:
            while self._stops and self._stops[-1] <= now:
                for act in self._acts[self._stops.pop()]:
                    act(self.machine)
        if (kind, now) == self._at_checkpoint:
            self._last(self.machine)
