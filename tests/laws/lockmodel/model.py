"""The main loop, the vCPU thread, and the world around them, as a machine with few states.

Every line that another thread can get in between of is a step of its own: a lock taken or dropped,
a flag set, a section under `_turn` (which takes no other lock and waits for nothing). The labels
are the places in session/loop.py and session/vcpu.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from laws.lockmodel.explore import Step, Wrong

MOST_STREAK = 3


@dataclass(frozen=True)
class Rules:
    """What is modelled, and with which bugs. As they are by default, everything must hold."""

    recording: bool = True
    """Whether the replay mutex does anything."""
    flood: bool = False
    """Input is always ready: the main loop never waits in poll."""
    congestion: bool = False
    """The guest's output may not be read, perhaps never."""
    periods_end: bool = False
    """The guest's periods end by themselves. If not, the guest may compute for ever."""
    letters: int = 1
    signals: int = 1

    turnstile: bool = True
    fifo: bool = True
    bugs: frozenset[str] = frozenset()


class State(NamedTuple):
    """Threads are "M", the main loop, and "V", the vCPU thread."""

    m: str = "drop_big"
    v: str = "rest"
    back: str = "dispatch"  # where the main loop goes on once it is in
    replay: str = "M"  # the holder, then who waits, in order
    big: str = "M"
    wanted: bool = False
    owed: bool = False
    pausing: bool = False
    paused: bool = False
    ended: bool = False
    quitting: bool = False
    over: bool = False
    idle: bool = False
    timer: bool = False  # of the idle guest
    armed: bool = False  # the main loop waits no longer than for that
    expired: bool = False
    told_m: bool = False  # notified, on the condition
    told_v: bool = False
    stop: bool = False
    bell: bool = False
    pending: str = ""  # an arrival: "a", or "q" to quit
    exit: str = ""  # why the run ended
    letters: int = 0
    signal: bool = False
    congested: bool = False
    letters_left: int = 0
    signals_left: int = 0
    streak: int = 0  # turns the main loop took since the vCPU thread wanted one

    def __str__(self) -> str:
        words = [f"M:{self.m:<12} V:{self.v:<12} replay={self.replay or '-'} big={self.big or '-'}"]
        for name, value in zip(self._fields[5:], self[5:], strict=True):
            if value and not name.endswith("_left"):
                words.append(name if value is True else f"{name}={value}")
        return " ".join(words)


class Model:
    """The steps of every thread from a state."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.start = State(letters_left=rules.letters, signals_left=rules.signals)
        if not rules.recording:
            self.start = self.start._replace(replay="")

    def steps(self, s: State) -> Iterator[Step[State]]:
        """Of everybody."""
        for to in getattr(self, f"m_{s.m}")(s):
            yield to if isinstance(to, Step) else Step("M", to)
        yield from getattr(self, f"v_{s.v}")(s)
        yield from (Step("W", to, due=False) for to in self._world(s))

    def _has(self, bug: str) -> bool:
        return bug in self.rules.bugs

    # The world: it need not do anything.

    def _world(self, s: State) -> Iterator[State]:
        if s.letters_left and not s.m.startswith(("end_", "quit", "join", "done")):
            bell = s.bell or not self._has("post does not ring")
            yield s._replace(letters=s.letters + 1, letters_left=s.letters_left - 1, bell=bell)
        if s.signals_left:
            yield s._replace(signal=True, signals_left=s.signals_left - 1, bell=True)
        if s.congested:
            yield s._replace(congested=False)

    # Locks. A free lock is "", a held one its holder and then the queue.

    def _take(self, s: State, who: str, lock: str, then: str) -> Iterator[State]:
        """Draw a ticket, and go on to wait for it at `then`."""
        held = getattr(s, lock)
        if lock == "replay":
            if not self.rules.recording:
                yield self._at(s, who, then)
                return
            if s.big[:1] == who:
                raise Wrong(f"{who} takes the replay mutex while it holds the big lock")
        if who in held:
            raise Wrong(f"{who} takes the lock {lock} twice")
        if self.rules.fifo or not held:  # otherwise whoever looks first gets it
            held += who
        yield self._at(s._replace(**{lock: held}), who, then)

    def _got(self, s: State, who: str, lock: str) -> State | None:
        """The state in which `who` has the lock it waits for; None if it is not its turn."""
        held = getattr(s, lock)
        if (lock == "replay" and not self.rules.recording) or held[:1] == who:
            return s
        if not self.rules.fifo and not held:
            return s._replace(**{lock: who})
        return None

    def _drop(self, s: State, who: str, lock: str) -> State:
        if lock == "replay" and not self.rules.recording:
            return s
        held = getattr(s, lock)
        if held[:1] != who:
            raise Wrong(f"{who} drops the lock {lock} that is not its own")
        return s._replace(**{lock: held[1:]})

    def _at(self, s: State, who: str, place: str) -> State:
        return s._replace(m=place) if who == "M" else s._replace(v=place)

    # The main loop.

    def m_drop_big(self, s: State) -> Iterator[State]:
        yield self._drop(s, "M", "big")._replace(m="drop_replay")

    def m_drop_replay(self, s: State) -> Iterator[State]:
        yield self._drop(s, "M", "replay")._replace(m="poll")

    def m_poll(self, s: State) -> Iterator[State]:
        late = self._has("the bell is cleared late")
        if s.bell or self.rules.flood or s.armed:
            pending = s.pending or ("a" if self.rules.flood else "")
            s = s._replace(expired=s.armed, armed=False, pending=pending)
            yield s._replace(m="way", bell=s.bell and late, back="dispatch")

    def m_way(self, s: State) -> Iterator[State]:
        if not self.rules.turnstile:
            yield s._replace(m="stop")
        elif self._has("stop is asked for first"):
            yield s._replace(m="way_2", stop=True)
        elif s.owed and not self._has("no turn is owed"):
            yield s._replace(m="way_wait", told_m=False)
        else:
            yield s._replace(wanted=True, m="stop")

    def m_way_2(self, s: State) -> Iterator[State]:
        if s.owed:
            yield s._replace(m="way_wait_2", told_m=False)
        else:
            yield s._replace(wanted=True, m="take_replay")

    def m_way_wait(self, s: State) -> Iterator[State]:
        if s.told_m:
            yield s._replace(m="way")

    def m_way_wait_2(self, s: State) -> Iterator[State]:
        if s.told_m:
            yield s._replace(m="way_2")

    def m_stop(self, s: State) -> Iterator[State]:
        first = "take_big" if self._has("big lock first") else "take_replay"
        yield s._replace(stop=True, m=first)

    def m_take_replay(self, s: State) -> Iterator[State]:
        yield from self._take(s, "M", "replay", "got_replay")

    def m_got_replay(self, s: State) -> Iterator[State]:
        if (s := self._got(s, "M", "replay")) is not None:
            yield s._replace(m="go_on" if self._has("big lock first") else "take_big")

    def m_take_big(self, s: State) -> Iterator[State]:
        yield from self._take(s, "M", "big", "got_big")

    def m_got_big(self, s: State) -> Iterator[State]:
        if (s := self._got(s, "M", "big")) is not None:
            yield s._replace(m="take_replay" if self._has("big lock first") else "go_on")

    def m_go_on(self, s: State) -> Iterator[State]:
        wants = not (s.idle or s.pausing or s.ended or s.over or s.congested)
        if not self.rules.turnstile:
            wants = s.v == "got_replay"  # nobody promises more than the queue does
        streak = min(s.streak + wants, MOST_STREAK) if self.rules.recording else 0
        s = s._replace(wanted=False, m=s.back, streak=streak)
        yield self._let_go(s, "go_on does not notify")

    def _let_go(self, s: State, silent: str) -> State:
        owed = not (s.idle or s.pausing or s.ended) or self._has("sleepers are owed a turn")
        return s._replace(owed=owed, told_v=s.told_v or not self._has(silent))

    def m_dispatch(self, s: State) -> Iterator[State | Step[State]]:
        yield Step("M", s._replace(m="end_drop_big"), due=False)  # an error in the main loop
        if s.signal:
            s = s._replace(signal=False, pending="q")
        serve = "serve" if self._has("serves without a pause") else "serve_drop_big"
        yield s._replace(m=serve if s.letters else "settle")

    def m_serve_drop_big(self, s: State) -> Iterator[State]:
        yield self._drop(s, "M", "big")._replace(m="serve_drop_replay")

    def m_serve_drop_replay(self, s: State) -> Iterator[State]:
        if not self._has("pauses with the replay mutex held"):
            s = self._drop(s, "M", "replay")
        yield s._replace(m="pause")

    def m_pause(self, s: State) -> Iterator[State]:
        forget = not s.ended or self._has("who ended is forgotten")
        s = s._replace(paused=s.paused and not forget, pausing=True, m="pause_stop")
        yield s._replace(told_v=s.told_v or not self._has("pause does not notify"))

    def m_pause_stop(self, s: State) -> Iterator[State]:
        yield s._replace(stop=True, m="pause_wait")

    def m_pause_wait(self, s: State) -> Iterator[State]:
        if s.paused:
            yield s._replace(m="way", back="serve")

    def m_serve(self, s: State) -> Iterator[State]:
        yield s._replace(letters=0, m="resume")

    def m_resume(self, s: State) -> Iterator[State]:
        yield self._let_go(s._replace(pausing=False, m="settle"), "resume does not notify")

    def m_settle(self, s: State) -> Iterator[State]:
        """A timer has expired when the main loop has waited for it."""
        was_expired = s.expired
        s = s._replace(m="nudge", armed=s.idle and s.timer, expired=False)
        if s.idle and (s.pending or (s.timer and was_expired)):
            s = s._replace(idle=False, timer=False, armed=False)
            s = self._let_go(s, "wake does not notify")
        yield s

    def m_nudge(self, s: State) -> Iterator[State]:
        s = s._replace(stop=s.stop or bool(s.pending))
        if self._has("the bell is cleared late"):
            s = s._replace(bell=False)
        yield s._replace(m="end_drop_big" if s.over else "drop_big")

    def m_end_drop_big(self, s: State) -> Iterator[State]:
        yield self._drop(s, "M", "big")._replace(m="end_drop_replay", letters=0, letters_left=0)

    def m_end_drop_replay(self, s: State) -> Iterator[State]:
        yield self._drop(s, "M", "replay")._replace(m="quit")

    def m_quit(self, s: State) -> Iterator[State]:
        told = s.told_v or not self._has("quit does not notify")
        yield s._replace(quitting=True, told_v=told, m="quit_stop", letters=0, letters_left=0)

    def m_quit_stop(self, s: State) -> Iterator[State]:
        stop = s.stop or not self._has("quit does not stop the harts")
        yield s._replace(stop=stop, m="join")

    def m_join(self, s: State) -> Iterator[State]:
        if s.v == "done":
            yield s._replace(m="done")

    def m_done(self, s: State) -> Iterator[State]:
        yield from ()

    # The vCPU thread.

    def v_rest(self, s: State) -> Iterator[Step[State]]:
        if s.quitting or s.over:
            yield Step("V", s._replace(v="end"))
        elif s.pausing:
            yield Step("V", self._settle(s._replace(paused=True, v="wait", told_v=False)))
        elif s.idle or s.wanted:
            yield Step("V", self._settle(s._replace(v="wait", told_v=False)))
        elif s.congested:
            yield Step("V", self._settle(s._replace(v="hold", told_v=False)))
        else:
            yield Step("V", s._replace(v="take_replay"))

    def _settle(self, s: State) -> State:
        if not s.owed:
            return s
        return s._replace(owed=False, told_m=s.told_m or not self._has("settle does not notify"))

    def v_wait(self, s: State) -> Iterator[Step[State]]:
        if s.told_v:
            yield Step("V", s._replace(v="rest"))

    def v_hold(self, s: State) -> Iterator[Step[State]]:
        yield Step("V", s._replace(v="rest"))  # told, or some ms later

    def v_take_replay(self, s: State) -> Iterator[Step[State]]:
        yield from (Step("V", to) for to in self._take(s, "V", "replay", "got_replay"))

    def v_got_replay(self, s: State) -> Iterator[Step[State]]:
        if (s := self._got(s, "V", "replay")) is not None:
            yield Step("V", self._settle(s._replace(v="take_big", streak=0)))

    def v_take_big(self, s: State) -> Iterator[Step[State]]:
        yield from (Step("V", to) for to in self._take(s, "V", "big", "begin"))

    def v_begin(self, s: State) -> Iterator[Step[State]]:
        if (s := self._got(s, "V", "big")) is not None:
            over = s.over or s.pending == "q"
            yield Step("V", s._replace(over=over, pending="", v="begun"))

    def v_begun(self, s: State) -> Iterator[Step[State]]:
        yield Step("V", self._drop(s, "V", "big")._replace(v="drop_replay" if s.over else "run"))

    def v_run(self, s: State) -> Iterator[Step[State]]:
        """The guest need do nothing but compute."""
        if s.stop:
            yield Step("V", s._replace(stop=False, v="account"))
        else:
            yield Step("V", s._replace(v="account") if self.rules.periods_end else s)
        yield Step("V", s._replace(v="access"), due=False)
        yield Step("V", s._replace(v="account", exit="idle"), due=False)
        yield Step("V", s._replace(v="account", exit="idle, timer set"), due=False)
        yield Step("V", s._replace(v="account", exit="off"), due=False)

    def v_access(self, s: State) -> Iterator[Step[State]]:
        yield from (Step("V", to) for to in self._take(s, "V", "big", "accessing"))

    def v_accessing(self, s: State) -> Iterator[Step[State]]:
        got = self._got(s, "V", "big")
        if got is None:
            return
        s = got
        yield Step("V", s._replace(v="accessed"))
        yield Step("V", s._replace(over=True, v="failed"), due=False)
        if self.rules.congestion:
            waits = self._has("output is waited for")
            full = s._replace(congested=True, stop=True, v="printing" if waits else "accessed")
            yield Step("V", full, due=False)

    def v_printing(self, s: State) -> Iterator[Step[State]]:
        if not s.congested:
            yield Step("V", s._replace(v="accessed"))

    def v_accessed(self, s: State) -> Iterator[Step[State]]:
        yield Step("V", self._drop(s, "V", "big")._replace(v="run"))

    def v_failed(self, s: State) -> Iterator[Step[State]]:
        yield Step("V", self._drop(s, "V", "big")._replace(v="failed_2"))

    def v_failed_2(self, s: State) -> Iterator[Step[State]]:
        yield Step("V", self._drop(s, "V", "replay")._replace(v="end"))

    def v_account(self, s: State) -> Iterator[Step[State]]:
        yield from (Step("V", to) for to in self._take(s, "V", "big", "accounting"))

    def v_accounting(self, s: State) -> Iterator[Step[State]]:
        if (s := self._got(s, "V", "big")) is not None:
            idle, timer, off = s.exit.startswith("idle"), "timer" in s.exit, s.exit == "off"
            s = s._replace(idle=s.idle or idle, timer=timer, over=s.over or off, exit="")
            yield Step("V", s._replace(v="accounted"))

    def v_accounted(self, s: State) -> Iterator[Step[State]]:
        yield Step("V", self._drop(s, "V", "big")._replace(v="drop_replay"))

    def v_drop_replay(self, s: State) -> Iterator[Step[State]]:
        s = self._drop(s, "V", "replay")
        yield Step("V", s._replace(v="ring" if s.idle or s.over else "rest"))

    def v_ring(self, s: State) -> Iterator[Step[State]]:
        yield Step("V", s._replace(bell=s.bell or not self._has("idle does not ring"), v="rest"))

    def v_end(self, s: State) -> Iterator[Step[State]]:
        yield Step("V", self._settle(s._replace(ended=True, paused=True, v="end_ring")))

    def v_end_ring(self, s: State) -> Iterator[Step[State]]:
        yield Step("V", s._replace(bell=s.bell or not self._has("the end does not ring"), v="done"))

    def v_done(self, s: State) -> Iterator[Step[State]]:
        yield from ()
