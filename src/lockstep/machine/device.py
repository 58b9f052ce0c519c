"""What every device is: a register table, a state and, where it needs one, an interrupt line.

A device is passive. It runs when the guest touches a register, when its virtual timer is due and
when something arrives for it. It knows no other device, no clock but the virtual one, and of the
outside nothing but its outlet, if it was given one.

Its `State` names the attributes that survive an instruction. Saving, restoring and resetting are
derived from it: tuples are lists while they live in the device, bytes are bytearrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any, ClassVar, NamedTuple, TypeVar

import msgspec

from lockstep.errors import InternalError

IrqLine = Callable[[bool], None]
"""Drive an interrupt line to a level; driving it to the level it has is free."""

VirtualClock = Callable[[], int]
"""Nanoseconds of virtual time at this very instruction."""

Reader = Callable[[], int]
Writer = Callable[[int], None]
Each = tuple[tuple[int | str, int], ...]
"""Dimensions of a register array: (how many, or the attribute that says so; stride in bytes)."""

F = TypeVar("F", bound=Callable[..., Any])


class Undeliverable(InternalError):
    """Something arrived that the machine cannot take. In a replay the log is to blame for it."""


class Register(NamedTuple):
    """One line of a device's register table."""

    offset: int
    sizes: tuple[int, ...]
    each: Each
    writable: bool


def reads(offset: int, *sizes: int, each: Each = ()) -> Callable[[F], F]:
    """What the guest gets when it reads `sizes` bytes (4 unless told) at `offset`.

    The handlers of an array take one index for each of its dimensions.
    """
    return _listed(Register(offset, sizes or (4,), each, writable=False))


def writes(offset: int, *sizes: int, each: Each = ()) -> Callable[[F], F]:
    """What happens when the guest writes there; the value comes after the indices."""
    return _listed(Register(offset, sizes or (4,), each, writable=True))


def polled(handler: F) -> F:
    """Of a register that is read in a loop: a read that says the same as the one just before leaves
    the device as it is. So nobody has to ask again before something happens to a device."""
    handler.__dict__["polled"] = True
    return handler


def _listed(register: Register) -> Callable[[F], F]:
    def mark(handler: F) -> F:
        handler.__dict__.setdefault("registers", []).append(register)
        return handler

    return mark


class Access(NamedTuple):
    """One address and size of a device, and what answers there."""

    offset: int
    size: int
    reader: Reader | None
    writer: Writer | None
    polled: bool = False


class Device:
    """Base of all devices. Subclasses declare `State`, the attributes it names, and registers."""

    State: ClassVar[type[msgspec.Struct]]
    span: int
    """Bytes of address space."""
    kept: ClassVar[bool] = True
    """Whether it is a part of the machine's state. What has none need not be, and costs nothing."""
    reserved_sizes: ClassVar[tuple[int, ...]] = (4,)
    """Accesses that addresses without a register take: they read 0 and ignore what is written."""

    deadline_ns: int | None = None
    """The virtual time at which `run_timers` has something to do."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Become as at power-on."""
        self.restore(self.State())

    def save(self) -> msgspec.Struct:
        """The state now; shares nothing that can change."""
        return self.State(*(_frozen(getattr(self, name)) for name in self.State.__struct_fields__))

    def restore(self, state: msgspec.Struct) -> None:
        """Become what `state` says. Drives no interrupt line: its far end restores itself."""
        for name in self.State.__struct_fields__:
            setattr(self, name, _live(getattr(state, name)))

    def receive(self, data: bytes) -> None:
        """Something came from outside for this device."""
        raise Undeliverable(f"{type(self).__name__} takes no arrivals, but {len(data)} bytes came")

    def receive_break(self) -> None:
        """The line of this serial port was held low."""
        raise Undeliverable(f"{type(self).__name__} has no line on which a break could come")

    @property
    def hungry(self) -> bool:
        """Whether the guest keeps up with what `receive` gets."""
        return True

    def run_timers(self, now_ns: int) -> None:
        """Do what was due at `deadline_ns`."""

    def read_elsewhere(self, offset: int, size: int) -> int:
        """A read, of a size that `reserved_sizes` names, where the table lists nothing."""
        return 0

    def write_elsewhere(self, offset: int, size: int, value: int) -> None:
        """A write there."""

    def accesses(self) -> Iterator[Access]:
        """The register table, expanded and bound to this device."""
        for name in dir(type(self)):
            handler = getattr(type(self), name)
            for register in getattr(handler, "registers", ()):
                yield from self._expand(register, getattr(self, name))

    def _expand(self, register: Register, handler: Callable[..., Any]) -> Iterator[Access]:
        counts = [getattr(self, n) if isinstance(n, str) else n for n, _ in register.each]
        strides = [stride for _, stride in register.each]
        for indices in product(*map(range, counts)):
            offset = register.offset + sum(i * s for i, s in zip(indices, strides, strict=True))
            bound = partial(handler, *indices) if indices else handler
            for size in register.sizes:
                if register.writable:
                    yield Access(offset, size, None, bound)
                else:
                    yield Access(offset, size, bound, None, "polled" in handler.__dict__)


def _live(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return bytearray(value) if isinstance(value, bytes) else value


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    return bytes(value) if isinstance(value, bytearray) else value
