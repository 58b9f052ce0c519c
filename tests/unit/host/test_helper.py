"""A helper answers, or is dead; nothing of it is left behind."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import lockstep
from lockstep.errors import HostFailure
from lockstep.host.helper import Helper, HelperDied

TESTS = Path(__file__).parents[2]
MODULE = "fakes.helper"
PATIENCE_S = 30


@pytest.fixture
def helper(monkeypatch: pytest.MonkeyPatch) -> Iterator[Helper]:
    monkeypatch.setenv("PYTHONPATH", str(TESTS))
    helper = Helper(MODULE)
    yield helper
    helper.close()


def wait_for(condition: Callable[[], object]) -> None:
    """Until it holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def exists(pid: int) -> bool:
    """As a process, be it a zombie."""
    return Path(f"/proc/{pid}").exists()


class Asking:
    """A thread that asks what is never answered. `end` returns why."""

    def __init__(self, helper: Helper, request: bytes) -> None:
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._ask, args=(helper, request))
        self._thread.start()

    def _ask(self, helper: Helper, request: bytes) -> None:
        try:
            helper.ask(request)
        except HelperDied as error:
            self.error = error

    def end(self) -> BaseException | None:
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()
        return self.error


def test_questions_are_answered_one_after_another(helper: Helper) -> None:
    """By one process; empty ones too."""
    pid = helper.ask(b"pid")
    assert [helper.ask(b"echo %d" % n) for n in range(20)] == [b"%d" % n for n in range(20)]
    assert helper.ask(b"echo ") == b""
    assert helper.ask(b"pid") == pid


def test_frames_may_be_huge(helper: Helper) -> None:
    """Many times what a pipe holds, in both directions."""
    data = os.urandom(1 << 20) * 40
    assert helper.ask(b"echo " + data) == data
    assert helper.ask(b"grow 100000000") == b"x" * 100_000_000


def test_no_process_is_started_before_the_first_question() -> None:
    """Nor is what it takes to start one loaded."""
    code = (
        "import os, sys\n"
        "from lockstep.host.helper import Helper\n"
        "helper = Helper('no.such.module'); helper.close()\n"
        "sys.exit('subprocess' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_a_helper_prints_does_not_get_between_the_frames(helper: Helper) -> None:
    """Nor does it stop for want of a reader; and its standard input is not the pipe."""
    assert helper.ask(b"chatter 20000") == b""
    assert helper.ask(b"echo still there") == b"still there"


def test_several_threads_may_ask(helper: Helper) -> None:
    """Each gets its own answer."""

    def ask(n: int) -> list[bytes]:
        return [helper.ask(b"echo %d" % n) for _ in range(20)]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(4))) == [[b"%d" % n] * 20 for n in range(4)]


def test_a_helper_has_less_priority_and_does_not_get_ctrl_c(helper: Helper) -> None:
    """The terminal's signals go to the process group in the foreground."""
    pid = int(helper.ask(b"pid"))
    group, priority, _ = helper.ask(b"facts").split(b" ", 2)
    assert int(group) == pid != os.getpgrp()
    assert int(priority) == min(os.getpriority(os.PRIO_PROCESS, 0) + 5, 19)


def test_modules_in_the_current_directory_are_not_those_of_a_helper(
    helper: Helper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user may have a file called signal.py."""
    (tmp_path / "signal.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)
    assert helper.ask(b"echo fine") == b"fine"


class TestDeath:
    """It is told with the last words, and nothing is left behind."""

    def test_a_helper_that_fails_says_why(self, helper: Helper) -> None:
        """The end of its standard error, not all of it."""
        with pytest.raises(HelperDied, match=r"status 1: (?s:.*)ValueError: what it cannot do$"):
            helper.ask(b"nonsense")
        other = Helper(MODULE)
        with pytest.raises(HelperDied, match=r"status 3: .*last words$") as died:
            other.ask(b"leave " + b"x" * 1_000_000 + b"last words")
        assert len(died.value.message) < 2000
        assert isinstance(died.value, HostFailure)

    def test_a_helper_that_is_killed_is_reaped(self, helper: Helper) -> None:
        """Also while it waits for a question."""
        pid = int(helper.ask(b"pid"))
        os.kill(pid, signal.SIGKILL)
        with pytest.raises(HelperDied, match="signal 9"):
            helper.ask(b"echo " + bytes(1 << 20))
        assert not exists(pid)

    def test_a_helper_that_kills_itself_is_reaped(self, helper: Helper) -> None:
        """In the middle of a question; and it does not come back."""
        pid = int(helper.ask(b"pid"))
        with pytest.raises(HelperDied, match="signal 9"):
            helper.ask(b"kill")
        assert not exists(pid)
        with pytest.raises(HelperDied, match="over"):
            helper.ask(b"pid")

    @pytest.mark.parametrize("module", ["no.such.module", "platform"])
    def test_a_module_that_is_no_helper(self, module: str) -> None:
        """There is none, or it writes something else."""
        helper = Helper(module)
        with pytest.raises(HelperDied, match=module):
            helper.ask(b"pid")
        helper.close()

    def test_a_helper_that_cannot_be_started(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """There is no Python any more where there was one."""
        monkeypatch.setattr(sys, "executable", "/nonexistent/python")
        with pytest.raises(HelperDied, match="cannot be started"):
            Helper(MODULE).ask(b"pid")


class TestRestart:
    """The next question finds another one, a few times; what killed it gets no answer."""

    @pytest.fixture
    def helper(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[Helper]:
        monkeypatch.setenv("PYTHONPATH", str(TESTS))
        helper = Helper(MODULE, most_restarts=2)
        yield helper
        helper.close()

    def test_the_next_question_is_answered_by_another(self, helper: Helper) -> None:
        """However it died, and only when there is a question."""
        pids = []
        for last in (b"kill", b"nonsense"):
            pids.append(int(helper.ask(b"pid")))
            restarts = helper.restarts
            with pytest.raises(HelperDied) as died:
                helper.ask(last)
            assert not died.value.last
            assert not helper.over
            assert helper.restarts == restarts
        pids.append(int(helper.ask(b"pid")))
        assert len(set(pids)) == 3
        assert helper.restarts == 2

    def test_it_is_given_up_when_it_died_too_often(self, helper: Helper) -> None:
        """Whose question that was is told so; later ones only that it is over."""
        for last in (False, False, True):
            with pytest.raises(HelperDied, match="signal 9") as died:
                helper.ask(b"kill")
            assert died.value.last == helper.over == last
        for _ in range(2):
            with pytest.raises(HelperDied, match="over") as died:
                helper.ask(b"pid")
            assert not died.value.last
        assert helper.restarts == 2

    def test_death_between_two_questions_costs_neither(self, helper: Helper) -> None:
        """As often as it may be started again."""
        for restarts in range(3):
            pid = int(helper.ask(b"pid"))
            assert helper.restarts == restarts
            os.kill(pid, signal.SIGKILL)
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # all of it is dead, and still there
        with pytest.raises(HelperDied, match="signal 9") as died:
            helper.ask(b"pid")
        assert died.value.last

    def test_a_start_that_fails_is_tried_again(
        self, helper: Helper, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The host may have been short of processes."""
        with monkeypatch.context() as short:
            short.setattr(sys, "executable", "/nonexistent/python")
            with pytest.raises(HelperDied, match="cannot be started") as died:
                helper.ask(b"pid")
        assert not died.value.last
        assert helper.ask(b"echo x") == b"x"
        assert helper.restarts == 1

    def test_a_host_that_is_short_of_threads(
        self, helper: Helper, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The process was there already: it is ended, and the next question starts another."""
        started: list[subprocess.Popen[bytes]] = []

        class Kept(subprocess.Popen[bytes]):
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                super().__init__(*args, **kwargs)
                started.append(self)

        def refuse(thread: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        with monkeypatch.context() as short:
            short.setattr(subprocess, "Popen", Kept)
            short.setattr(threading.Thread, "start", refuse)
            with pytest.raises(HelperDied, match="can't start new thread"):
                helper.ask(b"pid")
        assert started[0].returncode == -signal.SIGKILL
        assert helper.ask(b"echo x") == b"x"

    def test_one_that_is_closed_stays_so(self, helper: Helper, tmp_path: Path) -> None:
        """Its end was no death of its own, though there was none left; and no other is started."""
        for _ in range(2):
            with pytest.raises(HelperDied):
                helper.ask(b"kill")
        asking = Asking(helper, b"hang " + os.fsencode(tmp_path / "pid"))
        wait_for((tmp_path / "pid").exists)
        helper.close()
        death = asking.end()
        assert isinstance(death, HelperDied)
        assert not death.last
        with pytest.raises(HelperDied, match="over"):
            helper.ask(b"pid")
        assert helper.over
        assert helper.restarts == 2


class TestClose:
    """From any thread, promptly."""

    def test_closing_ends_the_question_under_way(self, helper: Helper, tmp_path: Path) -> None:
        """Whoever asked is told; the process is gone."""
        asking = Asking(helper, b"hang " + os.fsencode(tmp_path / "pid"))
        wait_for((tmp_path / "pid").exists)
        began = time.monotonic()
        helper.close()
        assert time.monotonic() - began < 5
        assert isinstance(asking.end(), HelperDied)
        wait_for(lambda: not exists(int((tmp_path / "pid").read_text())))

    def test_closing_ends_a_question_that_is_still_being_put(
        self, helper: Helper, tmp_path: Path
    ) -> None:
        """The helper does not read it."""
        pid = int(helper.ask(b"pid"))
        os.kill(pid, signal.SIGSTOP)
        asking = Asking(helper, b"echo " + bytes(10 << 20))
        helper.close()
        assert isinstance(asking.end(), HelperDied)
        assert not exists(pid)

    def test_closing_while_it_is_being_started(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """At whatever moment that comes."""
        monkeypatch.setenv("PYTHONPATH", str(TESTS))
        for n in range(10):
            helper = Helper(MODULE)
            asking = Asking(helper, b"hang /dev/null")
            time.sleep(n * 0.01)
            helper.close()
            assert isinstance(asking.end(), HelperDied)

    def test_closing_again_is_nothing(self, helper: Helper) -> None:
        """And nothing can be asked any more, whether anything was or not."""
        helper.ask(b"pid")
        for each in (helper, Helper(MODULE)):
            each.close()
            each.close()
            with pytest.raises(HelperDied, match="over"):
                each.ask(b"pid")

    def test_no_file_descriptor_process_or_thread_is_left(self, helper: Helper) -> None:
        """Of one that was closed, one that died and one that was never there."""

        def traces() -> tuple[set[str], set[str], str]:
            threads = {each.name for each in threading.enumerate() if "errors" in each.name}
            children = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
            return set(os.listdir("/proc/self/fd")), threads, children

        before = traces()
        helper.ask(b"pid")
        helper.close()
        for module, request in ((MODULE, b"kill"), ("no.such.module", b"")):
            with pytest.raises(HelperDied):
                Helper(module).ask(request)
        assert traces() == before


_ASKER = """
import sys
from lockstep.host.helper import Helper
helper = Helper("fakes.helper")
print(helper.ask(b"pid").decode(), flush=True)
helper.ask(sys.argv[1].encode())
sys.stdin.read()
"""


@pytest.mark.parametrize("last", ["echo x", "hang"])
def test_a_helper_ends_when_its_asker_is_killed(helper: Helper, tmp_path: Path, last: str) -> None:
    """Whether it waits for a question, or is busy with one."""
    request = f"{last} {tmp_path / 'pid'}"
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", _ASKER, request], stdin=pipe, stdout=pipe
    ) as asker:
        assert asker.stdout is not None
        pid = int(asker.stdout.readline())
        if last == "hang":
            wait_for((tmp_path / "pid").exists)
        asker.kill()
        wait_for(lambda: not alive(pid))


def alive(pid: int) -> bool:
    """A zombie is not: who inherits it may take its time."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_it_is_of_the_same_package_as_who_asks(tmp_path: Path) -> None:
    """Also if that was found where Python does not look by itself: in a copy of the sources."""
    package = Path(lockstep.__file__).parent
    copy = tmp_path / "lockstep"
    shutil.copytree(package, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "where.py").write_text(
        "from lockstep.host import helper\nhelper.serve(lambda asked: helper.__file__.encode())\n"
    )
    ask = (
        "import sys; sys.path.insert(0, sys.argv[1]); from lockstep.host.helper import Helper; "
        "found = Helper('lockstep.where'); print(found.ask(b'').decode()); found.close()"
    )
    done = subprocess.run(
        [sys.executable, "-c", ask, tmp_path],
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.stdout.strip() == str(copy / "host" / "helper.py"), done.stderr
