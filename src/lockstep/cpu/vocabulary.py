"""What the cpu floor's own semantic functions see, beyond isa/sem.Hart: engines supply it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from lockstep.isa.privileged import Access
from lockstep.isa.sem import Hart
from lockstep.isa.values import Word


class Cluster(Protocol):
    """All harts and what they share. Fields of layout.CLUSTER_FIELDS are plain attributes."""

    def const(self, value: int, width: int = 64) -> Word:
        """A literal."""

    def hart(self, number: Word) -> EngineHart:
        """The hart of that number."""

    def execute(self, hart: EngineHart, budget: Word) -> None:
        """Run `hart` for `budget` instructions or until it must stop; `hart.left` tells."""

    def invoke(self, function: Callable[..., Any], args: tuple[Any, ...], outlined: bool) -> Any:
        """Run a helper semantic function the engine's way."""

    def __getattr__(self, name: str) -> Word: ...
    def __setattr__(self, name: str, value: Any) -> None: ...


class EngineHart(Hart, Protocol):
    """A hart as engines know it: also the private fields of layout, and main memory."""

    @property
    def pc(self) -> Word: ...
    @pc.setter
    def pc(self, value: Word) -> None: ...

    @property
    def cluster(self) -> Cluster: ...

    def ram_load(self, paddr: Word, size: int) -> Word:
        """`size` bytes of main memory at physical `paddr`."""

    def ram_store(self, paddr: Word, size: int, value: Word) -> None:
        """Write main memory; whatever was cached from it follows."""

    def remember(self, vaddr: Word, paddr: Word, access: Access) -> None:
        """This translation may be cached: it holds for the whole page."""

    def leave(self) -> None:
        """Give up this attempt of the instruction, to run it again later. Does not return."""


class NativeHart(EngineHart, Protocol):
    """A hart of a native engine: host memory by address, and the decoded pages in it."""

    def address(self) -> Word:
        """Host address of this hart's block."""

    def host_load(self, address: Word, size: int) -> Word:
        """Load from host memory, zero-extended."""

    def host_store(self, address: Word, size: int, value: Word) -> None:
        """Store to host memory."""

    def host_fill(self, address: Word, size: int) -> None:
        """Set host memory to ones."""

    def decide_anew(
        self, first: Word, last: Word, permission: Word, priv: Word
    ) -> tuple[bool, bool]:
        """isa/pmp.decide itself."""

    def clear_decoded(self, page: Word) -> None:
        """Make all entries of a decoded page ones that are still to be decoded."""

    def clear_entry(self, entry: Word) -> None:
        """The same for one entry."""

    def fetch_slot(self, addr: Word) -> Word:
        """Host address of the fetch entry that virtual `addr` would have."""

    def decode(self, word: Word, entry: Word, offset: Word) -> None:
        """Fill a decoded entry from an instruction word at `offset` of its page."""

    def straddle_entry(self, entry: Word) -> None:
        """Make an entry the first half of an instruction that ends on the next page."""

    def refetch_entry(self, entry: Word) -> None:
        """Let the instruction of an entry be looked up and decoded anew, once."""

    def next_page_entry(self, entry: Word) -> None:
        """Make an entry the end of a decoded page."""


class NativeCluster(Cluster, Protocol):
    """The cluster of a native engine."""

    def hart(self, number: Word) -> NativeHart: ...
    def host_load(self, address: Word, size: int) -> Word: ...
    def host_store(self, address: Word, size: int, value: Word) -> None: ...
