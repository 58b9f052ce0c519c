"""What is wrong with the input is said in a line, with what to do: no traceback, no hang."""

import struct
from importlib.resources import files

import pytest

DEMO = files("lockstep.ui") / "data" / "demo.elf"
EM_X86_64, EM_RISCV = 62, 243


def refused(done, status, *words):
    """With this status, these words, and a remedy."""
    assert done.status == status, done.err
    assert "Traceback" not in done.err
    assert done.out == ""
    for word in words:
        assert word in done.err
    assert "remedy:" in done.err


def elf(machine, bits=2):
    return (
        b"\x7fELF"
        + bytes([bits, 1, 1])
        + bytes(9)
        + struct.pack("<HHI", 2, machine, 1)
        + bytes(100)
    )


def test_a_missing_kernel(cli):
    refused(cli("run", "--bios", "none", "--kernel", "/nonexistent"), 2, "/nonexistent", "No such")


def test_a_kernel_that_is_a_directory(cli, tmp_path):
    refused(cli("run", "--bios", "none", "--kernel", tmp_path), 2, "directory")


def test_nothing_to_run(cli):
    refused(cli("run", "--bios", "none"), 2, "nothing to run")


@pytest.mark.parametrize(
    ("contents", "words"),
    [
        (b"", "empty"),
        (elf(EM_X86_64), "x64"),
        (elf(EM_RISCV, bits=1), "32"),
        (b"MZ" + bytes(0x36) + b"ARMd" + bytes(64), "arm64"),
        (b"\x1f\x8b" + b"not gzip at all", "gzip"),
    ],
)
def test_a_kernel_for_another_machine(cli, tmp_path, contents, words):
    (tmp_path / "kernel").write_bytes(contents)
    done = cli("run", "--bios", "none", "--kernel", tmp_path / "kernel")
    refused(done, 2, words)


def test_ram_too_small_for_the_images(cli, tmp_path):
    (tmp_path / "kernel").write_bytes(b"\x6f\0\0\0" * (1 << 20))
    done = cli("run", "--bios", "none", "--kernel", tmp_path / "kernel", "--memory", "2M")
    refused(done, 2, "does not fit", "--memory")


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--smp", 9, "between 1 and 8"),
        ("--smp", 0, "between 1 and 8"),
        ("--shift", 60, "between 0 and"),
        ("--memory", "lots", "512M"),
        ("--memory", "0M", "between"),
        ("--memory", "900T", "between"),
        ("--memory", "1025K", "whole pages"),
        ("--idle", "dream", "real, skip"),
        ("--engine", "steam", "auto, interp, reference"),
        ("--serial", "carrier-pigeon", "stdio, null, pty"),
        ("--serial", "tcp:0.0.0.0:1", "127.0.0.1"),
        ("--serial", "file:/nonexistent/x", "directory"),
        ("--serial", "unix:/nonexistent/s", "directory"),
        ("--serial", "tcp:127.0.0.1:99999", "free port"),
        ("--bios", "/nonexistent", "--bios"),
        ("--seed", 1 << 70, "64 bits"),
    ],
)
def test_an_option_out_of_range(cli, option, value, words):
    options = {"--bios": "none", "--kernel": DEMO} | {option: value}
    refused(cli("run", *(word for pair in options.items() for word in pair)), 2, words)


def test_an_unknown_option_is_a_usage_error(cli):
    assert cli("run", "--frobnicate").status == 2
    assert cli("frobnicate").status == 2
    assert cli("run", "--smp", "many").status == 2


def test_a_bad_kernel_does_not_cost_the_old_recording(cli, recording, tmp_path):
    """It is replaced only when the new one can begin."""
    before = recording.read_bytes()
    (tmp_path / "bad").write_bytes(elf(EM_X86_64))
    cli("record", "-o", recording, "--bios", "none", "--kernel", tmp_path / "bad")
    assert recording.read_bytes() == before


def test_a_file_that_is_not_a_recording_is_not_overwritten(cli, tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    done = cli("record", "-o", tmp_path / "thesis.txt", "--bios", "none", "--kernel", DEMO)
    refused(done, 2, "not a recording")
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("verb", ["replay", "info", "events", "verify", "profile", "pack"])
class TestEveryReader:
    def test_refuses_a_file_that_is_not_there(self, cli, verb):
        refused(cli(verb, "/nonexistent.lockstep"), 2, "no recording")

    def test_refuses_a_directory(self, cli, verb, tmp_path):
        refused(cli(verb, tmp_path), 2, "is a directory")

    def test_refuses_a_file_that_is_not_a_recording(self, cli, verb, tmp_path):
        (tmp_path / "x").write_text("hello")
        refused(cli(verb, tmp_path / "x"), 4, "not a lockstep recording")

    def test_refuses_a_truncated_recording(self, cli, verb, recording):
        whole = recording.read_bytes()
        for size in (2500, len(whole) - 1000, len(whole) - 1):
            recording.write_bytes(whole[:size])
            refused(cli(verb, recording), 4)

    def test_refuses_a_damaged_recording(self, cli, verb, recording):
        damaged = bytearray(recording.read_bytes())
        for at in range(1024, len(damaged), 7):
            damaged[at] ^= 0x55
        recording.write_bytes(damaged)
        refused(cli(verb, recording), 4)


def test_a_profile_of_nothing(cli, recording):
    refused(cli("profile", recording, "--from", 1 << 40), 2, "no instructions", "the recording has")
    refused(cli("profile", recording, "--from", 9, "--until", 9), 2, "no instructions")
    refused(cli("profile", recording, "--symbols", DEMO), 2, "no symbols", "vmlinux")
    assert cli("profile", recording, "--every", 0).status == 2


def test_a_kind_of_event_that_does_not_exist(cli, recording):
    refused(cli("events", recording, "--kind", "miracle"), 2, "wall-clock")


@pytest.mark.parametrize("name", ["", ".", "/", ".."])
def test_a_recording_has_a_name(cli, name):
    """A directory is none."""
    done = cli("record", "-o", name, "--bios", "none", "--kernel", DEMO)
    assert done.status == 2
    assert "Traceback" not in done.err
