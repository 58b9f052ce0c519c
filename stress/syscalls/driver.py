"""Runs the command line again and again, each time in a fork, and fails its system calls.

`python -m stress.syscalls.driver`: all is imported before, so that what Python does until it has
started is neither waited for nor made to fail. Orders come as lines on standard input.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import socket
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from stress.syscalls.kinds import KINDS, ON_DESCRIPTORS, PATH_ARGUMENTS, WATCHED, Made, names
from stress.syscalls.listener import Call, Listener, take, watch

_LATE_S: Final = 5.0
"""How long a helper may outlive who started it."""


class Fault(msgspec.Struct, frozen=True):
    """The `at`-th call of a kind, from 1 on, ends with an error; of a lasting kind all from it on.
    With error 0 the process is killed there."""

    kind: str
    error: int
    at: int


class Order(msgspec.Struct, frozen=True):
    """A command to run in a directory, with a fault; with none, what there is to fail is counted;
    `watched`: or it is simply run."""

    argv: list[str]
    directory: str
    environment: dict[str, str]
    fault: Fault | None = None
    watched: bool = True
    below: str = ""
    """A directory in it to run the command in."""
    patience_s: float = 90.0


class Ended(msgspec.Struct, frozen=True):
    """How it ended; negative: by a signal. `hit`: the call that failed first, "" if none did.
    `counts`: the calls there were, of each kind."""

    status: int
    hit: str = ""
    hung: bool = False
    counts: dict[str, int] = {}


def serve() -> None:
    """Carry out orders until there are no more. Returns in the fork, too, which has its own."""
    orders = sys.stdin.buffer
    while line := orders.readline():
        order = msgspec.json.decode(line, type=Order)
        answer = _carry_out(order)
        if answer is None:
            return
        os.write(1, msgspec.json.encode(answer) + b"\n")


def _carry_out(order: Order) -> Ended | None:
    """None in the fork, which is to run the command."""
    ours, theirs = socket.socketpair()
    child = os.fork()
    if not child:
        ours.close()
        _prepare(order, theirs)
        return None
    theirs.close()
    with ours:
        supervisor = _Supervisor(child, order)
        try:
            return supervisor.run(take(ours) if order.watched else None)
        except EOFError:
            return Ended(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def _prepare(order: Order, through: socket.socket) -> None:
    os.chdir(order.directory)
    os.environ.update(order.environment)
    _redirect(0, os.devnull, os.O_RDONLY)
    for fd, name in ((1, "stdout"), (2, "stderr")):
        _redirect(fd, name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.chdir(order.below or ".")
    faulthandler.register(signal.SIGUSR1)
    sys.argv = ["lockstep", *order.argv]
    if order.watched:
        watch(WATCHED, through)
    through.detach()


def _redirect(fd: int, name: str, flags: int) -> None:
    opened = os.open(name, flags, 0o666)
    os.dup2(opened, fd)
    os.close(opened)


class _Supervisor:
    def __init__(self, child: int, order: Order) -> None:
        self._child = child
        self._order = order
        self._counts: Counter[str] = Counter()
        self._hit = ""
        self._threads: dict[int, bool] = {}

    def run(self, listener: Listener | None) -> Ended:
        """Until it has ended, and all that it has started."""
        deadline = time.monotonic() + self._order.patience_s
        status: int | None = None
        try:
            while status is None or listener is not None:
                if status is None:
                    status = self._ended()
                    deadline = deadline if status is None else time.monotonic() + _LATE_S
                if time.monotonic() > deadline:
                    return self._hang(status, listener)
                try:
                    self._serve(listener)
                except EOFError:
                    listener.close() if listener is not None else None
                    listener = None
        finally:
            if listener is not None:
                listener.close()
        return Ended(status, self._hit, counts=dict(self._counts))

    def _serve(self, listener: Listener | None) -> None:
        if listener is None:
            time.sleep(0.002)
        elif (call := listener.receive(0.05)) is not None:
            error = self._judge(call)
            if error is None:
                listener.allow(call)
            elif error:
                listener.fail(call, error)
            else:
                os.kill(self._child, signal.SIGKILL)

    def _ended(self) -> int | None:
        child, status = os.waitpid(self._child, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if child else None

    def _hang(self, status: int | None, listener: Listener | None) -> Ended:
        if status is None:
            os.kill(self._child, signal.SIGUSR1)  # it tells where each thread is
            told = time.monotonic() + _LATE_S
            while time.monotonic() < told:
                self._serve(listener)
            os.kill(self._child, signal.SIGKILL)
            os.waitpid(self._child, 0)
        return Ended(status or 0, self._hit, hung=True, counts=dict(self._counts))

    def _judge(self, call: Call) -> int | None:
        """The error for it, if it is to fail."""
        if not self._is_ours(call.thread):
            return None
        made, fault = self._look(call), self._order.fault
        for each, kind in KINDS.items():
            if made.name in kind.calls and kind.applies(made):
                self._counts[each] += 1
                if fault is not None and fault.kind == each:
                    count = self._counts[each]
                    if count == fault.at or (kind.lasting and count > fault.at):
                        self._hit = self._hit or self._describe(made)
                        return fault.error
        return None

    def _look(self, call: Call) -> Made:
        name = names()[call.number]
        target = ""
        if name in ON_DESCRIPTORS:
            try:
                target = os.readlink(f"/proc/{self._child}/fd/{call.args[0]}")
            except OSError:
                target = f"descriptor {call.args[0]}"
        return Made(name, call.args, target)

    def _is_ours(self, thread: int) -> bool:
        """Not a helper's: what that does may fail as it likes."""
        if thread not in self._threads:
            self._threads[thread] = os.path.exists(f"/proc/{self._child}/task/{thread}")
        return self._threads[thread]

    def _describe(self, made: Made) -> str:
        if made.target or made.name not in PATH_ARGUMENTS:
            return f"{made.name} {made.target}".strip()
        return f"{made.name} {self._text(made.args[PATH_ARGUMENTS[made.name]])}"

    def _text(self, address: int) -> str:
        try:
            with open(f"/proc/{self._child}/mem", "rb", buffering=0) as memory:
                memory.seek(address)
                return memory.read(300).partition(b"\0")[0].decode(errors="replace")
        except (OSError, OverflowError, ValueError):
            return ""


def _say_nothing(message: str) -> None:
    pass


def _import_all(modules: Sequence[str]) -> None:
    """What a first run has imported."""
    for name in modules:
        try:
            __import__(name)
        except ImportError:
            continue


def main() -> None:
    """Serve, and be the command in each fork."""
    from lockstep.cpu.native import objects
    from lockstep.ui.cli.app import main as lockstep

    _import_all(Path(sys.argv[1]).read_text().split())
    objects.version_key()  # reads all of the sources, once
    made = objects.interpreter_objects(_say_nothing, None)
    objects._compile = lambda notify, aide: made  # what takes 5 s, and may be needed often
    pid = os.getpid()
    serve()
    if os.getpid() != pid:
        lockstep()


if __name__ == "__main__":
    main()
