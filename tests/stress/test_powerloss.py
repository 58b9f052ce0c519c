"""The model of a disk whose power goes: what it may keep, and what it must."""

import random
import sys

from stress.powerloss.disk import Disk, read_tree
from stress.powerloss.trace import Create, Remove, Rename, Sync, Write, trace

PAGE = bytes(range(1, 5)) * 256


def states(before, operations, point=None):
    """All that may be there after the power went."""
    disk = Disk(before, operations)
    point = disk.count if point is None else point
    return [dict(each) for each in disk.states(point, random.Random(1))]


def test_what_was_synced_is_there():
    """Its bytes, and its name."""
    operations = [Create("a"), Write("a", 0, PAGE), Sync("a", 2)]
    assert states({}, operations) == [{"a": PAGE}] * 4


def test_what_was_not_synced_may_be_gone():
    """All of it, a sector of it, the name with nothing in it, and zeros where nothing came."""
    found = states({}, [Create("a"), Write("a", 0, PAGE)])
    assert {} in found
    assert {"a": b""} in found
    assert {"a": PAGE[:512]} in found
    assert {"a": bytes(512) + PAGE[512:]} in found
    assert {"a": PAGE} in found


def test_a_sync_covers_what_came_before_it_began():
    """What another thread wrote meanwhile it does not."""
    operations = [Create("a"), Write("a", 0, PAGE), Write("a", 1024, b"x"), Sync("a", 2)]
    found = states({}, operations)
    assert {"a": PAGE} in found
    assert all(each["a"].startswith(PAGE) for each in found)


def test_a_name_is_safe_when_its_directory_is_synced():
    operations = [Rename("a", "b"), Sync("", 1)]
    assert {"a": b"old"} in states({"a": b"old"}, operations, 1)
    assert all(each == {"b": b"old"} for each in states({"a": b"old"}, operations))


def test_names_change_each_for_itself():
    """In whatever order."""
    found = states({"a": b"1", "b": b"2"}, [Remove("a"), Remove("b")])
    assert {"a": b"1"} in found
    assert {"b": b"2"} in found


def test_nothing_is_in_a_directory_that_is_not_there():
    """And none is gone with something in it."""
    found = states({}, [Create("d", directory=True), Create("d/a")])
    assert {"d/a": b""} not in found
    found = states({"d": None, "d/a": b""}, [Remove("d/a"), Remove("d")])
    assert {"d/a": b""} not in found


def test_a_name_is_not_made_before_it_is_free():
    """Who was moved away is not lost with the one that came."""
    moved = [Create("d", directory=True), Rename("a", "d/a"), Create("a")]
    found = states({"a": b"old"}, moved)
    assert {"d": None, "d/a": b"old", "a": b""} in found
    assert all(b"old" in each.values() for each in found)


def test_the_log_of_a_command_makes_the_same_disk(tmp_path):
    """Written, appended, renamed and removed by the real thing."""
    directory = tmp_path / "disk"
    directory.mkdir()
    (directory / "old").write_bytes(b"abc")
    before = read_tree(directory)
    script = (
        "import os\n"
        "os.mkdir('d'); f = os.open('d/a', os.O_CREAT | os.O_RDWR)\n"
        "os.write(f, b'0123'); os.write(f, b'45'); os.pwrite(f, b'x', 600); os.ftruncate(f, 601)\n"
        "os.fsync(f); os.rename('d/a', 'b'); os.unlink('old')\n"
    )
    operations = trace([sys.executable, "-c", script], directory, {})
    disk = Disk(before, operations)
    assert dict(disk.whole(disk.count)) == dict(read_tree(directory))
    assert Sync("d/a", len(operations) - 3) in operations
