"""What is asked of the region compiler, and what it answers: bytes, for it is another process."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class Side(msgspec.Struct, frozen=True, array_like=True):
    """A page beside the one that is ordered, as the guest sees them."""

    number: int
    """How many pages further on: 1 or -1."""
    stamp: bytes
    """What its decoded page says while its code is this."""
    code: bytes
    executed: tuple[int, ...]
    """As in an Order."""


class Portion(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Compile a portion of the interpreter. The answer is object code."""

    number: int


class Order(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """Compile regions for a page of code."""

    code: bytes
    """The page."""
    executed: tuple[int, ...]
    """Offsets of the instructions that were executed."""
    heat: tuple[int, ...]
    """Samples in each line of the page (layout.HEAT_LINE bytes)."""
    covered: tuple[int, ...] = ()
    """Offsets of instructions that are in regions already."""
    sides: tuple[Side, ...] = ()
    """Regions may go on there, if they find these pages there when they do."""


class Request(msgspec.Struct, frozen=True, array_like=True):
    """Something asked by a lockstep of that version: only the same one may answer."""

    version: str
    """As in objects.version_key."""
    asked: Portion | Order


class Product(msgspec.Struct, frozen=True, array_like=True):
    """The regions of a page, or some of them."""

    object: bytes
    """Object code, as LLVM emits it."""
    entries: dict[int, str]
    """The function that does what begins at an offset."""
    imports: tuple[str, ...]
    """The interpreter's handlers that it calls."""
    covered: tuple[int, ...]
    """Offsets of the instructions in it."""
    page: bytes
    """The page that it was made from."""

    def fits(self, code: bytes) -> bool:
        """Whether it does the same for a page of that code."""
        return same_code(self.page, code, self.covered)


def same_code(one: bytes, other: bytes, covered: Iterable[int]) -> bool:
    """Whether two pages have the same instructions at the offsets `covered`."""
    return one == other or all(one[at : at + 4] == other[at : at + 4] for at in covered)


_REQUESTS = msgspec.msgpack.Decoder(Request)
_PRODUCTS = msgspec.msgpack.Decoder(Product)

encode = msgspec.msgpack.encode


def decode_request(data: bytes) -> Request:
    """Raises msgspec.DecodeError if it is none."""
    return _REQUESTS.decode(data)


def decode_product(data: bytes) -> Product:
    """Raises msgspec.DecodeError if it is none."""
    return _PRODUCTS.decode(data)
