"""The workshop: what was made once is found again, and nothing that goes wrong there shows."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec
import pytest

from conformance.assembler import Assembler
from lockstep.cpu.layout import HEAT_LINE, PAGE
from lockstep.cpu.native.messages import Product, decode_product, encode
from lockstep.cpu.native.objects import Aide, Interpreter, load
from lockstep.cpu.native.regions.compiler import answer
from lockstep.cpu.native.regions.foundry import LEAST, RESPITE, Workshop
from lockstep.cpu.native.regions.service import Hot, Part

SECONDS = 60


@pytest.fixture(scope="module")
def interpreter() -> Interpreter:
    return load(print)


class Shelf:
    """A store in memory."""

    def __init__(self) -> None:
        self.parts: dict[bytes, list[bytes]] = {}

    def get(self, key: bytes) -> list[bytes]:
        return list(self.parts.get(key, []))

    def put(self, key: bytes, part: bytes) -> None:
        self.parts.setdefault(key, []).append(part)


class Apprentice:
    """The compiler, in this process; it counts what it is asked for."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, order: bytes) -> bytes | None:
        self.asked += 1
        return answer(order)


class Bell:
    """Waits until something is ready."""

    def __init__(self) -> None:
        self._rung = threading.Semaphore(0)

    def ring(self) -> None:
        self._rung.release()

    def heard(self, seconds: float = SECONDS) -> bool:
        return self._rung.acquire(timeout=seconds)


@contextmanager
def workshop(
    interpreter: Interpreter, shelf: Shelf, smith: Aide
) -> Iterator[tuple[Workshop, Bell]]:
    bell = Bell()
    made = Workshop(interpreter, shelf, smith, bell.ring)
    try:
        yield made, bell
    finally:
        made.close()


def hot(interpreter: Interpreter, data: int = 0, step: int = -1, samples: int = LEAST) -> Hot:
    """A loop on the first line of page 7; `data` is further down."""
    code = Assembler(0)
    code.label("loop")
    code.emit("addi", rd=5, rs1=5, imm=step)
    code.branch("bne", "loop", rs1=5, rs2=0)
    page = code.finish().ljust(PAGE - 8, b"\0") + data.to_bytes(8, "little")
    handlers = [interpreter.handlers["op_decode"]] * (PAGE // 2)
    for index in (0, 2):
        handlers[index] = interpreter.handlers["op_illegal"] + 1  # anything but an op
    words = b"".join(h.to_bytes(8, "little") for h in handlers)
    heat = samples.to_bytes(2, "little") + bytes(2 * (PAGE // HEAT_LINE - 1))
    return Hot(7, page, words, heat, samples)


def one_part(made: Workshop, bell: Bell) -> Part:
    assert bell.heard()
    (part,) = made.finished()
    return part


def test_what_is_ordered_is_compiled_and_kept(interpreter: Interpreter) -> None:
    shelf, smith = Shelf(), Apprentice()
    with workshop(interpreter, shelf, smith) as (made, bell):
        made.order(hot(interpreter))
        part = one_part(made, bell)
    assert (part.page, part.covered, set(part.entries)) == (7, (0, 4), {0})
    assert (smith.asked, bool(shelf.parts)) == (1, True)


def test_what_was_made_before_is_found(interpreter: Interpreter) -> None:
    """By another process, though the data on the page is not what it was, and however little hot
    it is."""
    shelf, smith = Shelf(), Apprentice()
    with workshop(interpreter, shelf, smith) as (made, bell):
        made.order(hot(interpreter))
        one_part(made, bell)
    with workshop(interpreter, shelf, smith) as (made, bell):
        made.order(hot(interpreter, data=99, samples=1))
        assert one_part(made, bell).covered == (0, 4)
        assert made.stats()["cache_hits"] == 1
    assert smith.asked == 1


def test_a_product_under_the_name_of_another_is_not_used(interpreter: Interpreter) -> None:
    """It fits its page, and LLVM would link it; but its hash is not its name, so it is made again.

    Whoever looks for two's code is led to one's name, whose content is two's: sound, and changed.
    """
    shelves = Shelf(), Shelf()
    for shelf, step in zip(shelves, (-1, -2), strict=True):
        with workshop(interpreter, shelf, Apprentice()) as (made, bell):
            made.order(hot(interpreter, step=step))
            one_part(made, bell)
    names = [next(k for k, v in each.parts.items() if product_in(v[0])) for each in shelves]
    other = shelves[1].parts.pop(names[1])
    line = next(iter(shelves[1].parts))
    mixed, smith = Shelf(), Apprentice()
    mixed.parts = {line: [names[0]], names[0]: other}
    with workshop(interpreter, mixed, smith) as (made, bell):
        made.order(hot(interpreter, step=-2))
        one_part(made, bell)
        assert made.stats()["cache_products"] == 0
    assert smith.asked == 1


def test_other_code_is_not_found(interpreter: Interpreter) -> None:
    shelf, smith = Shelf(), Apprentice()
    with workshop(interpreter, shelf, smith) as (made, bell):
        for step in (-1, -2):
            asked = hot(interpreter, step=step)
            made.order(asked)
            assert one_part(made, bell).code == asked.code
    assert smith.asked == 2


def product_in(part: bytes) -> Product | None:
    """None: it is the name of one."""
    try:
        return decode_product(part)
    except msgspec.DecodeError:
        return None


def nonsense(part: bytes) -> bytes:
    return b"nonsense"


def nonsense_for_a_product(part: bytes) -> bytes:
    return part if product_in(part) is None else b"nonsense"


def torn_object(part: bytes) -> bytes:
    """It can be read, but not be linked."""
    product = product_in(part)
    if product is None:
        return part
    torn = product.object[: len(product.object) // 2]
    return encode(msgspec.structs.replace(product, object=torn))


@pytest.mark.parametrize("damage", [nonsense, nonsense_for_a_product, torn_object])
def test_what_is_damaged_in_the_store_spoils_nothing(
    interpreter: Interpreter, damage: Callable[[bytes], bytes]
) -> None:
    """It is compiled again, and so is what comes after it."""
    shelf, smith = Shelf(), Apprentice()
    with workshop(interpreter, shelf, smith) as (made, bell):
        made.order(hot(interpreter))
        one_part(made, bell)
    shelf.parts = {key: [damage(part) for part in parts] for key, parts in shelf.parts.items()}
    with workshop(interpreter, shelf, smith) as (made, bell):
        for step in (-1, -2):
            made.order(hot(interpreter, step=step))
            one_part(made, bell)
    assert smith.asked == 3


def test_little_heat_is_not_worth_a_compilation(interpreter: Interpreter) -> None:
    smith = Apprentice()
    with workshop(interpreter, Shelf(), smith) as (made, bell):
        made.order(hot(interpreter, samples=LEAST - 1))
        assert not bell.heard(0.2)
    assert smith.asked == 0


def test_without_a_smith_nothing_is_made(interpreter: Interpreter) -> None:
    """It has died; the guest goes on as it is."""
    gone = threading.Event()

    def dead(order: bytes) -> None:
        gone.set()

    with workshop(interpreter, Shelf(), dead) as (made, bell):
        made.order(hot(interpreter))
        assert gone.wait(SECONDS)
        made.order(hot(interpreter, step=-2))
        assert not bell.heard(0.2)
        assert list(made.finished()) == []


def test_what_the_smith_died_at_comes_again_when_it_is_much_hotter(
    interpreter: Interpreter,
) -> None:
    """It may be what killed it: all else comes first. Or that was chance, and it is worth it."""
    died, asked = threading.Event(), []

    def frail(order: bytes) -> bytes | None:
        asked.append(order)
        if died.is_set():
            return answer(order)
        died.set()
        return b""

    deadly, other = hot(interpreter), hot(interpreter, step=-2)._replace(page=8)
    with workshop(interpreter, Shelf(), frail) as (made, bell):
        made.order(deadly)
        assert died.wait(SECONDS)
        made.order(deadly._replace(samples=RESPITE * LEAST - 1))  # the hottest of all comes first
        made.order(other)
        assert one_part(made, bell).code == other.code
        made.order(deadly._replace(samples=RESPITE * LEAST))
        assert one_part(made, bell).code == deadly.code
    assert len(asked) == 3


def test_an_order_under_way_does_not_hold_up_the_end(interpreter: Interpreter) -> None:
    """Whoever closes ends the smith first."""
    begun, end = threading.Event(), threading.Event()

    def slow(order: bytes) -> None:
        begun.set()
        end.wait(SECONDS)

    made = Workshop(interpreter, Shelf(), slow, lambda: None)
    made.order(hot(interpreter))
    assert begun.wait(SECONDS)
    end.set()
    made.close()
