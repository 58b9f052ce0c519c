"""A recording that several files look into."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes.recordings import KERNEL, KERNEL_HASH, MANIFEST
from fakes.toys import ScriptedWorld, ToyMachine
from lockstep.det.locks import Locks
from lockstep.det.world import Arrival
from lockstep.replay.format import Warp
from lockstep.replay.log import LogWriter
from lockstep.replay.recorder import Recorder


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A complete recording of a toy machine, of several chunks."""
    path = tmp_path / "toy.lockstep"
    locks = Locks(enabled=True)
    locks.replay.acquire()
    log = LogWriter(path, MANIFEST, {KERNEL_HASH: KERNEL})
    machine = ToyMachine()
    script = [(n, Arrival("serial0", b"x")) for n in range(0, 1000, 30)]
    recorder = Recorder(ScriptedWorld(script), log, lambda: machine.now, locks.replay)
    machine.run(recorder, 500)
    log.flush(machine.now)
    recorder.outlet("serial0").emit(b"the end\n")
    log.append(machine.now, Warp(None))
    log.finish(machine.now, 2.5, "guest shutdown")
    return path
