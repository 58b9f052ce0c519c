"""A 16550A UART. Characters take no time: the transmitter is always empty again at once.

National Semiconductor PC16550D. What arrives queues in a backlog, the wire, and moves into the
receiver while that has room. The receiver's character timeout (3.5 characters of silence) has
always just passed, so whatever is in the FIFO may interrupt.

The interrupts for what waits here (data, errors, changed modem lines) are a level. That of the
transmitter tells of an event: where the far end takes `requests`, there is one each time the THR
becomes empty, or comes to be the most urgent again. The data sheet would have it be a level, too,
until IIR is read (8.6.4), but drivers that never read IIR work on QEMU's board, whose interrupt
controller looks at the line only when it is driven; after a level they would do nothing else.
"""

from __future__ import annotations

import msgspec

from lockstep.det.world import Outlet
from lockstep.machine.device import Device, IrqLine, Undeliverable, polled, reads, writes

FIFO_DEPTH = 16
WIRE_LIMIT = 4096  # so much unread input is enough
MOST_ON_WIRE = 64 << 20  # and more no recording holds
MOST_BREAKS = 16384
TRIGGER_LEVELS = (1, 4, 8, 14)

IER_RECEIVED, IER_THR_EMPTY, IER_LINE, IER_MODEM = 1, 2, 4, 8
IIR_NONE, IIR_LINE, IIR_RECEIVED, IIR_TIMEOUT, IIR_THR_EMPTY, IIR_MODEM = 1, 6, 4, 12, 2, 0
IIR_FIFOS = 0xC0
FCR_ENABLE, FCR_CLEAR_RECEIVER = 1, 2
LCR_DIVISOR = 0x80
MCR_LOOP = 0x10
LSR_DATA, LSR_OVERRUN, LSR_BREAK, LSR_TRANSMITTER_IDLE = 0x01, 0x02, 0x10, 0x60
LSR_ERROR_IN_FIFO = 0x80
MSR_CTS, MSR_DSR, MSR_RI, MSR_DCD = 0x10, 0x20, 0x40, 0x80

# Sloppy drivers use wider accesses; like QEMU's, every size reaches the one register at its offset.
ANY = (1, 2, 4, 8)


class Uart16550State(msgspec.Struct, frozen=True):
    """Registers under their data sheet's names; `wire` is input the receiver had no room for.

    `breaks` says which characters, counted from the oldest in `fifo` on through `wire`, are breaks
    that nobody has been told of. A state without any has no such field, as before there were some.
    """

    divisor: int = 12
    ier: int = 0
    fcr: int = 0
    lcr: int = 0
    mcr: int = 0
    msr_delta: int = 0
    scr: int = 0
    overrun: bool = False
    thr_empty: bool = False
    fifo: bytes = b""
    wire: bytes = b""
    breaks: tuple[int, ...] | msgspec.UnsetType = msgspec.UNSET


class Uart16550(Device):
    """The serial port of the board."""

    State = Uart16550State
    span = 0x100
    reserved_sizes = ANY
    divisor: int
    ier: int
    fcr: int
    lcr: int
    mcr: int
    msr_delta: int
    scr: int
    overrun: bool
    thr_empty: bool
    fifo: bytearray
    wire: bytearray
    breaks: list[int] | msgspec.UnsetType
    _told: int
    """The most urgent interrupt, as the far end was told of it; follows from the rest."""

    def __init__(self, outlet: Outlet, line: IrqLine, requests: IrqLine | None = None) -> None:
        self.outlet = outlet
        self.line = line
        self.requests = requests
        super().__init__()

    def restore(self, state: msgspec.Struct) -> None:
        super().restore(state)
        self._told = self._most_urgent()

    def receive(self, data: bytes) -> None:
        if len(self.wire) + len(data) > MOST_ON_WIRE:
            raise Undeliverable(f"more than {MOST_ON_WIRE:,} bytes wait to be read")
        self.wire += data
        self._fill()
        self._update_line()

    def receive_break(self) -> None:
        """PC16550D 8.6.3: it comes as one character of zeros, told of when that is the oldest."""
        if len(self.breaks or ()) >= MOST_BREAKS:
            raise Undeliverable(f"more than {MOST_BREAKS:,} breaks wait to be read")
        self._set_breaks([*(self.breaks or ()), len(self.fifo) + len(self.wire)])
        self.receive(b"\0")

    @property
    def hungry(self) -> bool:
        """While little waits on the wire."""
        return len(self.wire) < WIRE_LIMIT

    @reads(0, *ANY)
    def rbr(self) -> int:
        """The oldest character received, or 0; the divisor's low byte under DLAB."""
        if self.lcr & LCR_DIVISOR:
            return self.divisor & 0xFF
        value = self.fifo.pop(0) if self.fifo else 0
        self._forget(1)
        self._fill()
        self._update_line()
        return value

    @writes(0, *ANY)
    def thr(self, value: int) -> None:
        """Transmit a character; the divisor's low byte under DLAB."""
        value &= 0xFF
        if self.lcr & LCR_DIVISOR:
            self.divisor = self.divisor & 0xFF00 | value
            return
        if self.mcr & MCR_LOOP:
            self._loop_back(value)
        else:
            self.outlet.emit(bytes((value,)))
        self.thr_empty = True
        self._update_line(emptied=True)

    @reads(1, *ANY)
    def interrupt_enable(self) -> int:
        """IER; the divisor's high byte under DLAB."""
        return self.divisor >> 8 if self.lcr & LCR_DIVISOR else self.ier

    @writes(1, *ANY)
    def set_interrupt_enable(self, value: int) -> None:
        """IER: enabling the transmitter's interrupt raises it, the THR being empty."""
        value &= 0xFF
        if self.lcr & LCR_DIVISOR:
            self.divisor = self.divisor & 0xFF | value << 8
            return
        enabled = bool(value & ~self.ier & IER_THR_EMPTY)
        self.thr_empty = self.thr_empty or enabled
        self.ier = value & 0x0F
        self._fill()
        self._update_line(emptied=enabled)

    @reads(2, *ANY)
    def iir(self) -> int:
        """The most urgent interrupt. Reading clears a THR-empty interrupt if that is it."""
        source = self._most_urgent()
        if source == IIR_THR_EMPTY:
            self.thr_empty = False
            self._update_line()
        return source | (IIR_FIFOS if self.fcr & FCR_ENABLE else 0)

    @writes(2, *ANY)
    def set_fifo_control(self, value: int) -> None:
        """FCR: switching the FIFOs on or off, or asking so, empties the receiver.

        The transmitter has nothing to clear. What is still on the wire stays there for now: a
        driver that clears several times in a row does not eat input meant for later.
        """
        if (value ^ self.fcr) & FCR_ENABLE or value & FCR_CLEAR_RECEIVER:
            self._forget(len(self.fifo))
            self.fifo.clear()
        # PC16550D 8.4: bits 7 and 6 are written only while bit 0 is 1.
        self.fcr = value & (0xC0 | FCR_ENABLE) if value & FCR_ENABLE else 0
        self._update_line()

    @reads(3, *ANY)
    def line_control(self) -> int:
        """LCR. Word length, parity and break mean nothing here; DLAB does."""
        return self.lcr

    @writes(3, *ANY)
    def set_line_control(self, value: int) -> None:
        """LCR."""
        self.lcr = value & 0xFF

    @reads(4, *ANY)
    def modem_control(self) -> int:
        """MCR."""
        return self.mcr

    @writes(4, *ANY)
    def set_modem_control(self, value: int) -> None:
        """MCR; in loop mode its outputs are the modem status inputs."""
        before = self._modem_lines()
        self.mcr = value & 0x1F
        after = self._modem_lines()
        changed = before ^ after
        # Ring counts only its trailing edge (PC16550D 8.9).
        if after & MSR_RI:
            changed &= ~MSR_RI
        self.msr_delta |= changed >> 4
        self._fill()
        self._update_line()

    @polled
    @reads(5, *ANY)
    def lsr(self) -> int:
        """LSR; reading clears the overrun error and the break."""
        self._fill()
        value = LSR_TRANSMITTER_IDLE | (LSR_DATA if self.fifo else 0)
        # PC16550D 8.6.3, 8.6.8: the error belongs to a character; bit 7 is always 0 without FIFOs.
        if self.fcr & FCR_ENABLE and any(at < len(self.fifo) for at in self.breaks or ()):
            value |= LSR_ERROR_IN_FIFO
        if self._break_is_oldest():
            value |= LSR_BREAK
            self._set_breaks([at for at in self.breaks or () if at])
        if self.overrun:
            value |= LSR_OVERRUN
            self.overrun = False
        self._update_line()
        return value

    @polled
    @reads(6, *ANY)
    def msr(self) -> int:
        """MSR; reading clears what has changed since the last time."""
        value = self._modem_lines() | self.msr_delta
        self.msr_delta = 0
        self._update_line()
        return value

    @reads(7, *ANY)
    def scratch(self) -> int:
        """SCR."""
        return self.scr

    @writes(7, *ANY)
    def set_scratch(self, value: int) -> None:
        """SCR."""
        self.scr = value & 0xFF

    def _depth(self) -> int:
        return FIFO_DEPTH if self.fcr & FCR_ENABLE else 1

    def _fill(self) -> None:
        """Move what fits from the wire into the receiver. Loop mode disconnects the wire."""
        if self.wire and not self.mcr & MCR_LOOP:
            room = self._depth() - len(self.fifo)
            self.fifo += self.wire[:room]
            del self.wire[:room]

    def _loop_back(self, value: int) -> None:
        if len(self.fifo) < self._depth():
            here = len(self.fifo)
            self._set_breaks([at + (at >= here) for at in self.breaks or ()])
            self.fifo.append(value)
            return
        self.overrun = True
        # PC16550D 8.5: without FIFOs the new character overwrites the old one; a full FIFO stays.
        if not self.fcr & FCR_ENABLE:
            self.fifo[0] = value
            self._set_breaks([at for at in self.breaks or () if at])

    def _break_is_oldest(self) -> bool:
        return bool(self.fifo) and 0 in (self.breaks or ())

    def _forget(self, count: int) -> None:
        """The `count` oldest characters are gone."""
        self._set_breaks([at - count for at in self.breaks or () if at >= count])

    def _set_breaks(self, at: list[int]) -> None:
        self.breaks = at or msgspec.UNSET

    def _modem_lines(self) -> int:
        """Carrier, ready and clear to send; in loop mode OUT2, OUT1, DTR and RTS."""
        if not self.mcr & MCR_LOOP:
            return MSR_DCD | MSR_DSR | MSR_CTS
        dtr, rts, out1, out2 = (self.mcr >> n & 1 for n in range(4))
        return out2 * MSR_DCD | out1 * MSR_RI | dtr * MSR_DSR | rts * MSR_CTS

    def _most_urgent(self) -> int:
        """PC16550D table IV."""
        if (self.overrun or self._break_is_oldest()) and self.ier & IER_LINE:
            return IIR_LINE
        if self.fifo and self.ier & IER_RECEIVED:
            full = not self.fcr & FCR_ENABLE or len(self.fifo) >= TRIGGER_LEVELS[self.fcr >> 6]
            return IIR_RECEIVED if full else IIR_TIMEOUT
        if self.thr_empty and self.ier & IER_THR_EMPTY:
            return IIR_THR_EMPTY
        if self.msr_delta and self.ier & IER_MODEM:
            return IIR_MODEM
        return IIR_NONE

    def _update_line(self, *, emptied: bool = False) -> None:
        """Drive what goes to the interrupt controller. `emptied`: the THR became empty just now."""
        before, self._told = self._told, self._most_urgent()
        if self.requests is None:
            self.line(self._told != IIR_NONE)
            return
        self.line(self._told not in (IIR_NONE, IIR_THR_EMPTY))
        if self._told == IIR_THR_EMPTY and (emptied or before != IIR_THR_EMPTY):
            self.requests(True)
        elif self._told != IIR_THR_EMPTY and before == IIR_THR_EMPTY:
            self.requests(False)
