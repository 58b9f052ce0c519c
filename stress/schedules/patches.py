"""Puts lockstep on a stage or in a street: its modules see the threads, clock and poller there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from unittest.mock import patch

from lockstep.det import fifo, locks
from lockstep.host import output
from lockstep.session import build, control, loop, vcpu
from stress.schedules import primitives, street
from stress.schedules.place import Place
from stress.schedules.stage import Stage
from stress.schedules.street import Street
from stress.schedules.watch import Watch
from stress.schedules.wire import Wire

_SMALL_BACKLOG = 20


@contextmanager
def moved_to(place: Place, watch: Watch, wires: list[Wire]) -> Iterator[None]:
    """While entered, in the whole process."""

    def ready(fd: int) -> bool:
        return any(wire.ready(fd) for wire in wires)

    poller: Callable[[], object]
    if isinstance(place, Stage):
        place.threads = primitives.threading_on(place)
        poller = partial(primitives.Poller, place, ready)
    else:
        assert isinstance(place, Street)
        place.threads = street.threading_in(place)
        poller = partial(street.Poller, place, ready)

    with ExitStack() as stack:
        for module in (fifo, locks, vcpu, control, loop, output):
            stack.enter_context(patch.object(module, "threading", place.threads))
        stack.enter_context(patch.object(loop, "Poller", poller))
        stack.enter_context(patch.object(build, "monotonic_ns", place.clock))
        stack.enter_context(patch.object(output, "BACKLOG_LIMIT", _SMALL_BACKLOG))
        stack.enter_context(patch.object(build, "say", lambda text: None))
        for name, method in watch.methods().items():
            stack.enter_context(patch.object(fifo.FifoLock, name, method))
        yield
