"""What a recording says: the kinds of events, the manifest and the version. One table, `KINDS`.

Two things are logged. *Answers*: the guest asked the outside. *Arrivals*: the outside acted. All
else is recomputed, and *checkpoints* hold the digests that prove it came out the same.

An event is written as a MessagePack array that starts with the number of its kind. Numbers are
never reused, fields are only ever appended (with a default). A reader skips unknown kinds from
`FIRST_SKIPPABLE` on, since replay does not depend on them, and refuses any other.
"""

from typing import Annotated, Any, ClassVar, Final, NamedTuple, get_args

import msgspec

from lockstep.det.fifo import LockCounts
from lockstep.det.instant import Icount
from lockstep.det.world import BREAK_PORT, Arrival, line_break
from lockstep.replay.bounds import MAX_IMAGES, MAX_NAMES
from lockstep.replay.words import readable

VERSION: Final = 1
REVISION: Final = 4
"""Of what VERSION has: raised with every field that is appended and every kind that is added."""
FIRST_SKIPPABLE: Final = 128
LOCATOR_BYTES: Final = 4
"""How much of a part's digest a checkpoint keeps: enough to name the part; `total` is the proof."""


Count = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
"""What an Icount can be, and whatever else is counted."""
Name = Annotated[str, msgspec.Meta(max_length=256)]
Counts = Annotated[dict[str, Count], msgspec.Meta(max_length=MAX_NAMES)]
Locators = Annotated[dict[str, bytes], msgspec.Meta(max_length=MAX_NAMES)]
Uint64 = Annotated[int, msgspec.Meta(ge=0)]  # MessagePack itself ends at 2**64 - 1
Number = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)] | float
"""Of JSON, which has no end to its integers; but to divide one by another has."""


class Event(msgspec.Struct, frozen=True, array_like=True):
    """Base of all. `kind` is its name for people, the struct's tag its number in the file."""

    kind: ClassVar[str] = ""

    def describe(self) -> str:
        """One line for reports."""
        fields = (f"{name}={_show(getattr(self, name))}" for name in self.__struct_fields__)
        return " ".join([self.kind, *fields])

    def as_dict(self) -> dict[str, Any]:
        """Kind and fields as JSON values."""
        fields = {name: _plain(getattr(self, name)) for name in self.__struct_fields__}
        return {"kind": self.kind, **fields}


class AnswerEvent(Event, frozen=True):
    """The device at `port` asked, and this was said."""

    port: str

    @property
    def question(self) -> str:
        """What was asked."""
        raise NotImplementedError

    @property
    def answer(self) -> bytes:
        """What was said, as the device got it."""
        raise NotImplementedError


class ArrivalEvent(Event, frozen=True):
    """The outside acted on the machine."""

    def arrival(self) -> Arrival:
        """The arrival, as the machine got it."""
        raise NotImplementedError


class WallClock(AnswerEvent, frozen=True, tag=1):
    """The host's wall clock: nanoseconds since 1970 (8 bytes, little-endian, for the device)."""

    kind = "wall-clock"
    ns: Uint64

    @property
    def question(self) -> str:
        """What was asked."""
        return "wall-clock"

    @property
    def answer(self) -> bytes:
        """What was said, as the device got it."""
        return self.ns.to_bytes(8, "little")


class Entropy(AnswerEvent, frozen=True, tag=2):
    """Random bytes."""

    kind = "entropy"
    data: bytes

    @property
    def question(self) -> str:
        """What was asked."""
        return "entropy"

    @property
    def answer(self) -> bytes:
        """What was said, as the device got it."""
        return self.data


class Answer(AnswerEvent, frozen=True, tag=3):
    """Any other answer."""

    kind = "answer"
    asked: str
    data: bytes

    @property
    def question(self) -> str:
        """What was asked."""
        return self.asked

    @property
    def answer(self) -> bytes:
        """What was said, as the device got it."""
        return self.data


class SerialInput(ArrivalEvent, frozen=True, tag=16):
    """Bytes received by a serial port."""

    kind = "serial"
    port: str
    data: bytes

    def describe(self) -> str:
        """One line for reports; what was typed can mostly be read."""
        return f"serial port={_show(self.port)} data={self.data!r}"

    def arrival(self) -> Arrival:
        """The arrival, as the machine got it."""
        return Arrival(self.port, self.data)


class Warp(ArrivalEvent, frozen=True, tag=17):
    """All harts were idle and virtual time jumped, by `ns` or (None) to the next deadline."""

    kind = "warp"
    ns: Uint64 | None

    def arrival(self) -> Arrival:
        """The arrival, as the machine got it: 8 bytes, little-endian, or none."""
        return Arrival("warp", b"" if self.ns is None else self.ns.to_bytes(8, "little"))


class Power(ArrivalEvent, frozen=True, tag=18):
    """The outside pressed a button: shutdown, reset, quit."""

    kind = "power"
    request: str

    def arrival(self) -> Arrival:
        """The arrival, as the machine got it."""
        return Arrival("power", self.request.encode())


class Arrived(ArrivalEvent, frozen=True, tag=19):
    """Any other arrival."""

    kind = "arrival"
    port: str
    data: bytes

    def arrival(self) -> Arrival:
        """The arrival, as the machine got it."""
        return Arrival(self.port, self.data)


class Break(ArrivalEvent, frozen=True, tag=20):
    """A serial port's line was held low for longer than a character."""

    kind = "break"
    port: str

    def arrival(self) -> Arrival:
        """The arrival, as the machine got it."""
        return line_break(self.port)


class Checkpoint(Event, frozen=True, tag=32):
    """The two threads met here. `total` digests the whole machine and must come out the same.

    `parts`, `outputs` and `syndromes` hold only what changed since the last checkpoint: the first
    bytes of the digest of a part of the machine, the count of bytes that left through a port, and
    the code that finds what is wrong inside a part (det/syndrome). `chain` is the checksum of all
    events before this one (replay/chain). `distance`: in how many instructions the next periodic
    one is due, if not when the manifest says (replay/periodic).
    """

    kind = "checkpoint"
    reason: str
    total: bytes
    parts: Locators
    outputs: Annotated[dict[str, Uint64], msgspec.Meta(max_length=MAX_NAMES)]
    syndromes: Locators = {}
    chain: int | None = None
    distance: Uint64 | None = None

    def describe(self) -> str:
        """One line for reports; the codes at the end are not for people."""
        return (
            f"checkpoint reason={_show(self.reason)} total={self.total.hex()} "
            f"parts={_show(self.parts)} outputs={_show(self.outputs)}"
        )


AnyEvent = (
    WallClock | Entropy | Answer | SerialInput | Warp | Power | Arrived | Break | Checkpoint
)  # a kind that is not in this union is not in the file format
KINDS: Final[dict[int, type[Event]]] = {
    cls.__struct_config__.tag: cls for cls in get_args(AnyEvent)
}
"""Every kind of event, by its number."""


class Logged(NamedTuple):
    """An event and its instant."""

    at: Icount
    event: AnyEvent

    def __str__(self) -> str:
        return f"{self.at:_}: {self.event.describe()}"


def answer_event(port: str, question: str, data: bytes) -> AnyEvent:
    """The most specific event for an answer; it gives back exactly the same bytes."""
    if question == "wall-clock" and len(data) == 8:
        return WallClock(port, int.from_bytes(data, "little"))
    if question == "entropy":
        return Entropy(port, data)
    return Answer(port, question, data)


def arrival_event(arrival: Arrival) -> AnyEvent:
    """The most specific event for an arrival; it gives back exactly the same arrival."""
    port, data = arrival
    if arrival == line_break(port.removesuffix(BREAK_PORT)):
        return Break(port.removesuffix(BREAK_PORT))
    if port.startswith("serial"):
        return SerialInput(port, data)
    if port == "warp" and not data:
        return Warp(None)
    if port == "warp" and len(data) == 8:
        return Warp(int.from_bytes(data, "little"))
    if port == "power" and data.isascii():
        return Power(data.decode())
    return Arrived(port, data)


class Image(msgspec.Struct, frozen=True):
    """A file that the machine was started with.

    `name` is what it is for. `hint`: where it was, from the recording's directory on, from the home
    directory on ("~/"), or an absolute path; nothing depends on it.
    """

    name: Name
    sha256: Name
    size: Count
    hint: Annotated[str, msgspec.Meta(max_length=4096)] = ""


class Manifest(msgspec.Struct, frozen=True):
    """What was recorded, where, and how to build the same machine again. Stored as JSON."""

    machine: dict[str, Any]
    digest_every: Count
    images: Annotated[tuple[Image, ...], msgspec.Meta(max_length=MAX_IMAGES)] = ()
    versions: dict[str, str] = {}
    host: dict[str, str] = {}
    created: str = ""
    format: Count = VERSION
    revision: Count = 1


class Ending(msgspec.Struct, frozen=True):
    """Written last: its presence makes a recording complete. Stored as JSON.

    `chunks` and `outputs` say how much there must be: of both, nothing may be missing at the end.
    `cut`: the machine did not end there, but no more of what it did is known.
    """

    instructions: Count
    duration_s: Annotated[float, msgspec.Meta(ge=0)] | None
    reason: str
    chunks: Count
    outputs: Counts
    cut: bool = False
    chain: Count | None = None
    locks: tuple[LockCounts, ...] = ()
    """How the two threads waited for each other."""
    stats: dict[str, Number] = {}
    """Where the time went: whatever was counted, by name."""
    guest_code: Uint64 | None = None
    """What the guest said of its own success, 0 or the number of its failure; None: nothing."""


def _show(value: object) -> str:
    if isinstance(value, bytes):
        return value.hex() if len(value) <= 16 else f"{value[:16].hex()}... ({len(value)} bytes)"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_show(k)}: {_show(each)}" for k, each in value.items()) + "}"
    return readable(str(value))


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return value
