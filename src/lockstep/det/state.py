"""State: what survives an instruction; its canonical bytes, and digests to compare two by."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import msgspec
import xxhash

from lockstep.det.leaves import Inside, Open

StateT = TypeVar("StateT", bound=msgspec.Struct)

# Sorted keys: two equal states give equal bytes, whatever order their dicts were filled in.
_ENCODER = msgspec.msgpack.Encoder(order="deterministic")


class Stateful(Protocol[StateT]):
    """A part of the machine that can be saved exactly. What is not in its state is a cache."""

    def save(self) -> StateT:
        """The whole state, sharing nothing mutable with the live part."""

    def restore(self, state: StateT) -> None:
        """Become what `state` says. Touches no other part and raises no interrupt."""


def canonical_bytes(state: Any) -> bytes:
    """The one byte string of a state (Struct or built-in values): MessagePack, sorted keys."""
    return _ENCODER.encode(state)


def digest_bytes(data: bytes | bytearray | memoryview) -> bytes:
    """16 bytes: XXH3-128. Guards against accidents and bugs, not against forgers."""
    return xxhash.xxh3_128_digest(data)


def digest(state: Any) -> bytes:
    """The digest of a state's canonical bytes."""
    return digest_bytes(canonical_bytes(state))


def _shut(part: str) -> Inside | None:
    return None


class Digests(msgspec.Struct, frozen=True):
    """What a machine is at one instant, as one 16-byte digest for each of its parts.

    `inside` opens a part, as long as the machine stands still. `quiet` stands for all that changes
    only when the harts do something to it: not for themselves, nor for time.
    """

    harts: Sequence[bytes]
    devices: Mapping[str, bytes]
    ram: bytes
    inside: Open = _shut
    quiet: bytes = b""

    def parts(self) -> Iterator[tuple[str, bytes]]:
        """Every part with its digest, in a fixed order: harts, devices by name, ram."""
        for number, value in enumerate(self.harts):
            yield f"hart {number}", value
        for name in sorted(self.devices):
            yield name, self.devices[name]
        yield "ram", self.ram

    def total(self) -> bytes:
        """One digest for the whole machine, names included."""
        return digest(list(self.parts()))

    def differences(self, other: "Digests") -> list[str]:
        """The names of the parts that differ, or that only one of the two has, in order."""
        mine, theirs = dict(self.parts()), dict(other.parts())
        return [name for name in mine | theirs if mine.get(name) != theirs.get(name)]
