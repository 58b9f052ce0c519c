"""The initramfs: an archive the kernel understands, the same from the same input."""

import gzip

from lockstep.host.debian.initramfs import applets, build_initramfs, files_of

# As in a busybox: other strings, then the sorted table of applets that "[" opens.
NAMES = [b"ash", b"busybox", b"cat", *(b"tool%d" % n for n in range(30)), b"zcat"]
BUSYBOX = b"\x7fELF\0/etc/passwd\0" + b"\0".join([b"[", b"[[", *NAMES]) + b"\0\0tail"
SCRIPT = "#!/bin/sh\necho hello\n"


def unpacked(**libraries: bytes) -> dict[str, bytes]:
    archive = build_initramfs(BUSYBOX, SCRIPT, libraries)
    return dict(files_of(gzip.decompress(archive)))


def test_init_is_the_script_that_was_given() -> None:
    """The kernel runs /init; that is our script, to the byte."""
    assert unpacked()["init"] == SCRIPT.encode()


def test_busybox_and_its_libraries_come_along() -> None:
    """Files keep their contents; libraries go where the dynamic linker looks."""
    files = unpacked(libc=b"library")
    assert files["bin/busybox"] == BUSYBOX
    assert files["lib/libc"] == b"library"


def test_applets_are_read_out_of_busybox() -> None:
    """Its own table names them; busybox itself is the file, so no link."""
    found = applets(BUSYBOX)
    assert found[:3] == ["[", "[[", "ash"]
    assert found[-1] == "zcat"
    assert "busybox" not in found


def test_a_busybox_without_a_table_still_has_a_shell() -> None:
    """Whatever it is, /init needs an interpreter."""
    assert applets(b"\x7fELF") == ["sh"]


def test_the_same_input_gives_the_same_bytes() -> None:
    """No time, owner or inode number of the host gets in."""
    assert build_initramfs(BUSYBOX, SCRIPT) == build_initramfs(BUSYBOX, SCRIPT)


def test_every_entry_is_padded_to_four_bytes() -> None:
    """The next header is found where the kernel looks for it, whatever the lengths."""
    for length in range(5):
        script = "#" * length
        archive = gzip.decompress(build_initramfs(BUSYBOX, script))
        assert dict(files_of(archive))["init"] == script.encode()
        assert len(archive) % 4 == 0
