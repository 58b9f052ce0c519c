"""The PLIC keeps to its specification, version 1.0.0."""

from fakes.device import FakeLine, Guest
from lockstep.machine.devices.plic import Plic

PRIORITY, PENDING, ENABLE, THRESHOLD, CLAIM = 0, 0x1000, 0x2000, 0x20_0000, 0x20_0004
S = 1  # context 1: hart 0 in S-mode
UART = 10


class Board:
    """A PLIC for two harts."""

    def __init__(self) -> None:
        self.lines = [FakeLine() for _ in range(4)]
        self.plic = Plic(self.lines)
        self.guest = Guest(self.plic)

    def enable(self, context: int, *sources: int, priority: int = 1) -> None:
        for source in sources:
            self.guest[PRIORITY + 4 * source] = priority
            word = ENABLE + 0x80 * context + source // 32 * 4
            self.guest[word] |= 1 << source % 32

    def claim(self, context: int) -> int:
        return self.guest[CLAIM + 0x1000 * context]

    def complete(self, context: int, source: int) -> None:
        self.guest[CLAIM + 0x1000 * context] = source


def test_a_level_interrupts_only_the_contexts_that_enable_it() -> None:
    """Enabled, priority above the threshold, pending: all three."""
    board = Board()
    board.enable(S, UART)
    board.plic.drive(UART, True)
    assert [line.level for line in board.lines] == [False, True, False, False]
    assert board.guest[PENDING] == 1 << UART


def test_claim_withdraws_and_complete_forwards_a_level_still_high() -> None:
    """The gateway forwards nothing between claim and completion."""
    board = Board()
    board.enable(S, UART)
    board.plic.drive(UART, True)
    assert board.claim(S) == UART
    assert not board.lines[S].level
    assert board.claim(S) == 0
    board.plic.drive(UART, False)
    board.plic.drive(UART, True)
    assert not board.lines[S].level
    board.complete(S, UART)
    assert board.lines[S].level
    assert board.claim(S) == UART
    board.plic.drive(UART, False)
    board.complete(S, UART)
    assert not board.lines[S].level
    assert board.guest[PENDING] == 0


def test_a_forwarded_request_stays_when_the_level_drops() -> None:
    """The handler finds out that there is nothing to do."""
    board = Board()
    board.enable(S, UART)
    board.plic.drive(UART, True)
    board.plic.drive(UART, False)
    assert board.lines[S].level
    assert board.claim(S) == UART


def test_claim_prefers_priority_then_the_lower_number() -> None:
    """And does not look at the threshold."""
    board = Board()
    board.enable(S, 3, 70, priority=2)
    board.enable(S, 90, priority=5)
    for source in (90, 70, 3):
        board.plic.drive(source, True)
    board.guest[THRESHOLD + 0x1000 * S] = 7
    assert not board.lines[S].level
    assert [board.claim(S) for _ in range(4)] == [90, 3, 70, 0]


def test_threshold_masks_equal_priorities() -> None:
    """Strictly greater interrupts."""
    board = Board()
    board.enable(S, UART, priority=3)
    board.plic.drive(UART, True)
    board.guest[THRESHOLD + 0x1000 * S] = 3
    assert not board.lines[S].level
    board.guest[THRESHOLD + 0x1000 * S] = 2
    assert board.lines[S].level


def test_priority_zero_never_interrupts_nor_is_claimed() -> None:
    """Priority 0 is reserved for that."""
    board = Board()
    board.enable(S, UART, priority=0)
    board.plic.drive(UART, True)
    assert not board.lines[S].level
    assert board.claim(S) == 0


def test_completion_by_a_context_without_the_source_is_ignored() -> None:
    """Nor does a number out of range do anything."""
    board = Board()
    board.enable(S, UART)
    board.plic.drive(UART, True)
    assert board.claim(S) == UART
    board.complete(3, UART)
    board.complete(S, 0xFFFF_FFFF)
    assert not board.lines[S].level
    board.complete(S, UART)
    assert board.lines[S].level


def test_only_one_context_gets_a_shared_source() -> None:
    """The first claim takes it; the other reads 0."""
    board = Board()
    board.enable(S, UART)
    board.enable(3, UART)
    board.plic.drive(UART, True)
    assert board.lines[S].level
    assert board.lines[3].level
    assert [board.claim(3), board.claim(S)] == [UART, 0]
    assert not board.lines[S].level


def test_bits_that_do_not_exist_are_wired_to_zero() -> None:
    """Source 0, sources over 95, priorities over 7, contexts over the last."""
    board = Board()
    for word in range(3):
        board.guest[ENABLE + 4 * word] = 0xFFFF_FFFF
    assert [board.guest[ENABLE + 4 * w] for w in range(4)] == [0xFFFF_FFFE] + [0xFFFF_FFFF] * 2 + [
        0
    ]
    board.guest[PRIORITY] = 7
    board.guest[PRIORITY + 4] = 0xFF
    assert [board.guest[PRIORITY], board.guest[PRIORITY + 4]] == [0, 7]
    board.guest[THRESHOLD + 0x1000 * 4] = 5
    assert board.guest[THRESHOLD + 0x1000 * 4] == 0
