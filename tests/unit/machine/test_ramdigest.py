"""RAM's digest is a function of its contents alone, however they came about."""

from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.harts import PAGE, FakeRam
from lockstep.machine.ramdigest import RamDigest

BASE, PAGES = 0x8000_0000, 8
writes = st.lists(
    st.tuples(st.integers(0, PAGES * PAGE - 64), st.binary(min_size=1, max_size=64)), max_size=12
)


@settings(deadline=None)
@given(writes, st.integers(0, 12))
def test_incremental_equals_from_scratch(written: list[tuple[int, bytes]], looked: int) -> None:
    """Looking in between changes nothing."""
    ram = FakeRam(BASE, PAGES * PAGE)
    digest = RamDigest(ram)
    for number, (offset, data) in enumerate(written):
        ram.write(BASE + offset, data)
        if number == looked:
            digest.update()
    other = FakeRam(BASE, PAGES * PAGE)
    other.write(BASE, bytes(ram.view))
    assert digest.update() == RamDigest(other).update()


def test_zeros_count_nothing() -> None:
    """Written or not."""
    ram = FakeRam(BASE, PAGES * PAGE)
    digest = RamDigest(ram)
    untouched = digest.update()
    ram.write(BASE + 100, b"x")
    assert digest.update() != untouched
    ram.write(BASE + 100, b"\0")
    assert digest.update() == untouched == bytes(16)


def test_the_same_page_elsewhere_is_another_digest() -> None:
    """The page's number seeds its hash."""
    digests = []
    for page in range(2):
        ram = FakeRam(BASE, PAGES * PAGE)
        ram.write(BASE + page * PAGE, b"x")
        digests.append(RamDigest(ram).update())
    assert digests[0] != digests[1]


@settings(deadline=None)
@given(writes, writes)
def test_restore_brings_back_contents_and_digest(
    before: list[tuple[int, bytes]], after: list[tuple[int, bytes]]
) -> None:
    """Pages that became zero, and pages that were."""
    ram = FakeRam(BASE, PAGES * PAGE)
    digest = RamDigest(ram)
    for offset, data in before:
        ram.write(BASE + offset, data)
    saved, contents, expected = bytes(ram.view), digest.contents(), digest.update()
    for offset, data in after:
        ram.write(BASE + offset, data)
    digest.restore(contents)
    assert bytes(ram.view) == saved
    assert digest.update() == expected


def looked_into() -> tuple[FakeRam, RamDigest]:
    ram = FakeRam(BASE, PAGES * PAGE)
    for page in range(0, PAGES, 2):
        ram.write(BASE + page * PAGE, bytes(range(256)) * 16)
    digest = RamDigest(ram)
    digest.update()
    return ram, digest


def test_a_wrong_byte_is_found_and_so_is_what_it_should_be() -> None:
    """From 33 bytes: the page by the code, the byte by trying."""
    _, right = looked_into()
    ram, wrong = looked_into()
    ram.write(BASE + 2 * PAGE + 0x123, b"\x21")
    ram.write(BASE + 3 * PAGE + 0xFFF, b"\xfe")
    assert [str(each) for each in wrong.differences(right.syndrome())] == [
        "ram page 0x80002000, byte 0x123: expected 23, came 21",
        "ram page 0x80003000, byte 0xfff: expected 00, came fe",
    ]


def test_a_page_with_more_wrong_bytes_is_still_named() -> None:
    _, right = looked_into()
    ram, wrong = looked_into()
    ram.write(BASE + 5 * PAGE, b"more than one byte")
    assert [str(each) for each in wrong.differences(right.syndrome())] == ["ram page 0x80005000"]


@settings(deadline=None)
@given(writes)
def test_the_code_too_is_a_function_of_the_contents_alone(written: list[tuple[int, bytes]]) -> None:
    ram = FakeRam(BASE, PAGES * PAGE)
    digest = RamDigest(ram)
    for offset, data in written:
        ram.write(BASE + offset, data)
        digest.update()
    other = FakeRam(BASE, PAGES * PAGE)
    other.write(BASE, bytes(ram.view))
    assert digest.syndrome() == RamDigest(other).syndrome()
