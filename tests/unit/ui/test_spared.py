"""The console's output goes over no image and no recording: it is refused before that is opened."""

import os
import subprocess
import sys
from importlib.resources import files

import pytest

from lockstep.errors import UsageError
from lockstep.host.serial import open_serial
from lockstep.session import api

DEMO = files("lockstep.ui") / "data" / "demo.elf"


@pytest.fixture
def kernel(tmp_path):
    path = tmp_path / "kernel"
    path.write_bytes(DEMO.read_bytes())
    return path


@pytest.fixture
def machine(kernel):
    return ("--bios", "none", "--kernel", kernel, "--memory", "16M", "--until", "1k")


def names_of(path, where):
    """Everything that leads to that file."""
    where.mkdir()
    (where / "symbolic").symlink_to(path)
    (where / "twice").symlink_to(where / "symbolic")
    (where / "directory").symlink_to(path.parent)
    named = [path, where / "symbolic", where / "twice", where / "directory" / path.name]
    if path.exists():
        os.link(path, where / "hard")
        named.append(where / "hard")
    return named


@pytest.mark.parametrize("kind", ["file", "unix"])
@pytest.mark.parametrize("verb", [("run",), ("record", "-o", "r")])
def test_an_image_is_not_written_over(cli, kernel, machine, tmp_path, monkeypatch, kind, verb):
    """By whatever name, and it is whole afterwards."""
    monkeypatch.chdir(tmp_path)
    before = kernel.read_bytes()
    for name in names_of(kernel, tmp_path / "links"):
        done = cli(*verb, *machine, "--serial", f"{kind}:{name}")
        assert (done.status, kernel.read_bytes()) == (2, before), name
        assert "would write over the kernel" in done.err
        assert "remedy" in done.err
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("role", ["initrd", "dtb", "bios"])
def test_no_image_is(cli, kernel, machine, tmp_path, role):
    """Whatever it is for."""
    image = tmp_path / "image"
    image.write_bytes(b"precious")
    done = cli("run", *machine, f"--{role}", image, "--serial", f"file:{image}")
    assert done.status == 2
    assert f"would write over the {role}" in done.err
    assert image.read_bytes() == b"precious"


@pytest.mark.parametrize("kind", ["file", "unix"])
@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", "-journal"])
@pytest.mark.parametrize("old", [False, True])
def test_the_recording_is_not_written_over(cli, machine, tmp_path, kind, suffix, old):
    """Nor what is beside it while it is made; whether or not it is there yet."""
    path = tmp_path / "r"
    if old:
        assert cli("record", "-o", path, *machine, "--serial", "null").status == 0
    before = path.read_bytes() if old else None
    for name in names_of(path.with_name(path.name + suffix), tmp_path / "links"):
        done = cli("record", "-o", path, *machine, "--serial", f"{kind}:{name}")
        assert done.status == 2, name
        assert "would write over the recording" in done.err
    assert (path.read_bytes() if path.exists() else None) == before


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_nor_by_what_a_shell_has_opened(machine, tmp_path, stream):
    """`> r` beside `-o r`: the console's text would be gone with the old file."""
    with open(tmp_path / "r", "ab") as file:
        done = subprocess.run(
            [sys.executable, "-m", "lockstep", "record", "-o", "r", *map(str, machine)],
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, stream: file},
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    assert done.returncode == 2


def test_a_recording_does_not_take_the_place_of_its_own_image(tmp_path):
    """An old recording can be one, as raw code."""
    api.record(tmp_path / "r", kernel=DEMO, bios="none", memory=16 << 20, until=10)
    before = (tmp_path / "r").read_bytes()
    with pytest.raises(UsageError, match="would write over the kernel"):
        api.record(tmp_path / "r", kernel=tmp_path / "r", bios="none", until=10)
    assert (tmp_path / "r").read_bytes() == before


def test_a_file_that_turns_into_one_is_found_when_it_is_open(tmp_path, monkeypatch):
    """The name is looked at first; what counts is the file."""
    (tmp_path / "image").write_bytes(b"precious")
    seen = []
    real = os.open

    def late(path, *rest, **more):
        if not seen:
            os.link(tmp_path / "image", path)
        seen.append(path)
        return real(path, *rest, **more)

    monkeypatch.setattr(os, "open", late)
    with pytest.raises(UsageError, match="would write over the kernel"):
        open_serial(f"file:{tmp_path}/out", print, {str(tmp_path / "image"): "the kernel"})
    assert (tmp_path / "image").read_bytes() == b"precious"


@pytest.mark.parametrize("device", ["/dev/null", "/dev/stdout"])
def test_what_is_no_regular_file_is_written_to(cli, machine, device):
    """There is nothing to write over."""
    assert cli("run", *machine, "--serial", f"file:{device}").status == 0


def test_no_other_recording_is_written_over(cli, machine, tmp_path, monkeypatch):
    """Whoever truncates one would want to be asked."""
    monkeypatch.chdir(tmp_path)
    assert cli("record", *machine, "--serial", "null").status == 0
    (old,) = tmp_path.glob("kernel-*")
    before = old.read_bytes()
    for name in (old, tmp_path / "latest.lockstep"):
        for verb in ("run", "record"):
            done = cli(verb, *machine, "--serial", f"file:{name}")
            assert done.status == 2
            assert "would write over a recording" in done.err
    assert old.read_bytes() == before


def test_a_recording_without_a_name_does_not_take_that_of_the_output(
    cli, machine, tmp_path, monkeypatch
):
    """It takes the next number."""
    monkeypatch.chdir(tmp_path)
    done = cli("record", *machine, "--serial", "file:kernel-1.lockstep")
    assert done.status == 0, done.err
    assert not (tmp_path / "kernel-1.lockstep").read_bytes().startswith(b"SQLite")
    assert (tmp_path / "kernel-2.lockstep").read_bytes().startswith(b"SQLite")
