"""Explores every state of a model: breadth first for safety, by components for progress."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Generic, NamedTuple, TypeVar

S = TypeVar("S", bound=Hashable)


class Step(NamedTuple, Generic[S]):
    """`who` may go on to `to`. A step that is not `due` need never be taken."""

    who: str
    to: S
    due: bool = True


class Wrong(Exception):
    """A property does not hold. Says which, and how to get there."""


class Space(Generic[S]):
    """All states that can be reached, and the steps between them."""

    def __init__(self, start: S, steps: Callable[[S], Iterable[Step[S]]]) -> None:
        self.steps: dict[S, list[Step[S]]] = {}
        self._before: dict[S, tuple[S, str] | None] = {start: None}
        waiting = deque([start])
        while waiting:
            state = waiting.popleft()
            try:
                self.steps[state] = list(steps(state))
            except Wrong as wrong:
                raise Wrong(f"{wrong}\n{self.way_to(state)}") from None
            for step in self.steps[state]:
                if step.to not in self._before:
                    self._before[step.to] = (state, step.who)
                    waiting.append(step.to)

    def way_to(self, state: S) -> str:
        """The shortest way there, for people."""
        lines: list[str] = []
        at: tuple[S, str] | None = (state, "")
        while at is not None:
            lines.append(f"  {at[0]} {at[1]}".rstrip())
            at = self._before[at[0]]
        return "\n".join(reversed(lines))

    def never(self, what: str, bad: Callable[[S], bool]) -> None:
        """No state is `bad`."""
        for state in self.steps:
            if bad(state):
                raise Wrong(f"{what}\n{self.way_to(state)}")

    def always_moves(self, what: str, may_rest: Callable[[S], bool]) -> None:
        """In every state somebody has a step that is due, unless it is one to rest in."""
        for state, steps in self.steps.items():
            if not any(step.due for step in steps) and not may_rest(state):
                raise Wrong(f"{what}\n{self.way_to(state)}")

    def leads_to(self, what: str, here: Callable[[S], bool]) -> None:
        """Whoever is `here` gets away from it, if nobody who can take a due step waits for ever.

        Otherwise there were a set of states that the threads could go round in, each taking steps
        or being blocked now and then, without leaving.
        """
        inside = {state for state in self.steps if here(state)}
        for component in self._components(inside):
            if self._fair(component):
                raise Wrong(f"{what}\n{self.way_to(next(iter(component)))}")

    def _due(self, state: S) -> Iterator[Step[S]]:
        return (step for step in self.steps[state] if step.due)

    def _fair(self, component: set[S]) -> bool:
        """Whether threads may stay in there without one being kept from a step it could take."""
        moving = {
            step.who for state in component for step in self._due(state) if step.to in component
        }
        if not moving:
            return len(component) == 1 and not any(self._due(next(iter(component))))
        able_everywhere = set.intersection(
            *({step.who for step in self._due(state)} for state in component)
        )
        return able_everywhere <= moving

    def _components(self, inside: set[S]) -> Iterator[set[S]]:
        """Tarjan's strongly connected components, of due steps."""
        index: dict[S, int] = {}
        low: dict[S, int] = {}
        stack: list[S] = []
        on_stack: set[S] = set()
        for root in inside:
            if root in index:
                continue
            work = [(root, self._within(root, inside))]
            index[root] = low[root] = len(index)
            stack.append(root)
            on_stack.add(root)
            while work:
                state, successors = work[-1]
                for to in successors:
                    if to not in index:
                        index[to] = low[to] = len(index)
                        stack.append(to)
                        on_stack.add(to)
                        work.append((to, self._within(to, inside)))
                        break
                    if to in on_stack:
                        low[state] = min(low[state], index[to])
                else:
                    work.pop()
                    if work:
                        low[work[-1][0]] = min(low[work[-1][0]], low[state])
                    if low[state] == index[state]:
                        component: set[S] = set()
                        while state not in component:
                            component.add(stack.pop())
                        on_stack -= component
                        yield component

    def _within(self, state: S, inside: set[S]) -> Iterator[S]:
        return (step.to for step in self._due(state) if step.to in inside)
