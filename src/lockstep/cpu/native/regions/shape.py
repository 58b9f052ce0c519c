"""Which instructions become a region: blocks that lead to each other, around those that are hot."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from lockstep.cpu.layout import HEAT_LINE, PAGE
from lockstep.cpu.native.regions.code import Code, Step, page_of

LARGEST: Final = 160
"""Instructions in a region: LLVM's time grows faster than a region does."""

LONGEST_BLOCK: Final = 48
"""Instructions under one check of the budget. With less left, the interpreter takes over."""

SMALL_LOOP: Final = 32
"""Instructions of a loop whose registers are worth the trouble of loading and storing them."""

_SPREAD: Final = 8
"""Lines with less than this part of the heat of the hottest have time: they may get hotter."""

Block = tuple[Step, ...]


@dataclass(frozen=True)
class Shape:
    """A region: its blocks by place, and where it may be entered from outside."""

    blocks: Mapping[int, Block]
    entries: tuple[int, ...]

    @property
    def small_loops(self) -> Iterator[Sequence[Step]]:
        """The instructions between a backward jump and its target, if there are few of them."""
        for at, block in self.blocks.items():
            first = block[-1].target
            if first is not None and first in self.blocks and first <= at:
                within = (b for start, b in self.blocks.items() if first <= start <= at)
                steps = [step for other in within for step in other]
                if len(steps) <= SMALL_LOOP:
                    yield steps

    @property
    def size(self) -> int:
        """Instructions."""
        return sum(len(block) for block in self.blocks.values())


def shapes(code: Code, heat: Sequence[int], covered: frozenset[int]) -> list[Shape]:
    """Regions around the hottest lines of the page, hottest first, unless they are covered."""
    blocks = _blocks(code)
    near = _neighbours(blocks)
    warmth = {at: _warmth(block, heat) for at, block in blocks.items()}
    free = set(blocks)
    found = []
    for at in sorted(blocks, key=lambda at: -warmth[at]):
        if warmth[at] * _SPREAD <= max(heat):
            break
        if at in free and at not in covered:
            chosen = _around(at, blocks, near, free)
            free -= chosen
            found.append(_shape({a: blocks[a] for a in sorted(chosen)}, code))
    return found


def _warmth(block: Block, heat: Sequence[int]) -> int:
    """Of what is at home; what is beside it comes along, if at all."""
    if page_of(block[0].at) != 0:
        return 0
    lines = range(block[0].at // HEAT_LINE, block[-1].at // HEAT_LINE + 1)
    return max(heat[line] for line in lines)


def _leaders(code: Code) -> set[int]:
    """Where a block begins: where something jumps, or nothing comes from above, or a page does."""
    steps = code.steps.values()
    ends = {step.end for step in steps if not step.ends_block and step.end % PAGE}
    leaders = {at for at in code.steps if at not in ends}
    return leaders | {step.target for step in steps if step.target in code.steps}  # type: ignore[misc]


def _blocks(code: Code) -> dict[int, Block]:
    leaders = _leaders(code)
    blocks: dict[int, Block] = {}
    waiting = sorted(leaders, reverse=True)
    while waiting:
        at = first = waiting.pop()
        if first in blocks:
            continue
        block = []
        while True:
            step = code.steps[at]
            block.append(step)
            at = step.end
            if step.ends_block or at not in code.steps or at in leaders:
                break
            if len(block) == LONGEST_BLOCK:
                waiting.append(at)
                break
        blocks[first] = tuple(block)
    return blocks


def _leads_to(block: Block) -> Iterable[int]:
    """Where control goes from a block, or comes back to."""
    last = block[-1]
    if last.target is not None:
        yield last.target
    if last.goes_on or last.links:
        yield last.end


def _neighbours(blocks: Mapping[int, Block]) -> dict[int, list[int]]:
    near: dict[int, list[int]] = {at: [] for at in blocks}
    for at, block in blocks.items():
        for other in _leads_to(block):
            if other in blocks:
                near[at].append(other)
                near[other].append(at)
    return near


def _around(
    start: int, blocks: Mapping[int, Block], near: Mapping[int, list[int]], free: set[int]
) -> set[int]:
    """Blocks connected with `start`, nearest first, as many as a region may have."""
    chosen = {start}
    size = len(blocks[start])
    waiting = deque(near[start])
    while waiting:
        at = waiting.popleft()
        if at in chosen or at not in free or size + len(blocks[at]) > LARGEST:
            continue
        chosen.add(at)
        size += len(blocks[at])
        waiting.extend(near[at])
    return chosen


def _shape(blocks: Mapping[int, Block], code: Code) -> Shape:
    """Entries: where calls, returns and loops begin, what is come to from another page, and what
    no block of it leads to. All of them at home: elsewhere others may have their own regions.
    """
    within = set()
    entries = set()
    for at, block in blocks.items():
        last = block[-1]
        if last.target is not None and (last.target <= at or last.links):
            entries.add(last.target)
        if last.links:
            entries.add(last.end)
        if page_of(at) != 0:
            entries |= set(_leads_to(block))
        within |= {last.target, last.end} if last.goes_on else {last.target}
    entries |= blocks.keys() - within
    at_home = (at for at in entries if at in blocks and page_of(at) == 0)
    return Shape(blocks, tuple(sorted(at_home)))
