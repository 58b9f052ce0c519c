"""System calls that fail where lockstep once ended in a traceback, or blamed what was not to blame.

`python -m stress --only syscalls` lets every one of them fail.
"""

import errno

import pytest

from stress.campaigns.syscalls import Bench
from stress.syscalls.cases import CASES
from stress.syscalls.driver import Fault
from stress.syscalls.workshop import Driver


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    made = Bench(tmp_path_factory.mktemp("syscalls"))
    made.open()
    return made


@pytest.fixture(scope="module")
def driver(bench):
    with Driver(bench.modules) as made:
        yield made


@pytest.mark.parametrize(
    ("case", "kind", "at", "error"),
    [
        pytest.param("record", "thread", 1, errno.EAGAIN, id="no thread for messages"),
        pytest.param("record", "thread", 4, errno.EAGAIN, id="no thread for the machine"),
        pytest.param("record", "pipe", 1, errno.EMFILE, id="no pipe for the main loop"),
        pytest.param("record", "poll", 1, errno.ENOMEM, id="no memory to wait"),
        pytest.param("record", "open", 5, errno.EMFILE, id="no descriptor for the log"),
        pytest.param("record", "memory", 10, errno.ENOMEM, id="no memory for a thread"),
        pytest.param("record over another", "dead disk", 90, errno.EIO, id="a disk that dies"),
        pytest.param("record over another", "rename", 1, errno.ENOMEM, id="put aside"),
        pytest.param("replay", "open", 1, errno.EIO, id="the recording's header"),
        pytest.param("replay", "read", 5, errno.EIO, id="a page of the recording"),
        pytest.param("verify", "read", 10, errno.EIO, id="a page that is looked at"),
        pytest.param("verify", "stat", 13, errno.ENOMEM, id="what is looked for"),
        pytest.param("pack", "no descriptors", 15, errno.EMFILE, id="a place to be removed"),
        pytest.param("pack", "create", 2, errno.ENOSPC, id="no place for a copy"),
        pytest.param("recover", "dead disk", 160, errno.EIO, id="what cannot be cleaned up"),
    ],
)
def test_a_call_that_fails_is_got_over_or_ends_with_status_6(bench, driver, case, kind, at, error):
    """And a remedy; what was recorded is there, and nothing else."""
    assert case in CASES
    done, flaws = bench.attempt(driver, case, Fault(kind, error, at))
    assert done.ended.hit
    assert not flaws, done.err


def test_an_error_while_another_is_told_does_not_hide_it(bench, driver):
    """The disk dies while a copy is written: that is said, and what could not be removed then."""
    done, flaws = bench.attempt(driver, "recover", Fault("dead disk", errno.EIO, 200))
    assert not flaws, done.err
    assert done.err.count("lockstep: ") > 1
