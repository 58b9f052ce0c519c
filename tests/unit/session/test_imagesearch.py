"""The images of a recording are found again, wherever they may be, and are what was recorded."""

import hashlib
import os
from pathlib import Path

import pytest

from lockstep.errors import BadRecording, UsageError
from lockstep.replay.format import Image, Manifest
from lockstep.replay.log import LogReader, LogWriter
from lockstep.session import imagekeeping, imagesearch
from lockstep.session.images import ImageFile
from lockstep.session.imagesearch import find_images, make_hint, parse_given, without_hints

KERNEL = b"kernel" * 100
HASH = hashlib.sha256(KERNEL).hexdigest()


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory with nothing in it, and a home."""
    monkeypatch.setenv("LOCKSTEP_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(imagekeeping, "_said", set())
    (tmp_path / "home").mkdir()
    (tmp_path / "rec").mkdir()
    return tmp_path / "data"


class Maker:
    """Makes recordings of nothing, with one image."""

    def __init__(self, tmp_path: Path) -> None:
        self.path = tmp_path / "rec" / "r.lockstep"

    def __call__(
        self, hint: str = "", name: str = "Image", embedded: bytes | None = None, size: int = 600
    ) -> LogReader:
        machine = {"bios": "none", "kernel": name}
        manifest = Manifest(machine, 0, images=(Image("kernel", HASH, size, hint),))
        log = LogWriter(self.path, manifest, {} if embedded is None else {HASH: embedded})
        log.flush(0)
        log.finish(0, 0.0, "poweroff")
        return LogReader(self.path)


@pytest.fixture
def made(tmp_path: Path) -> Maker:
    return Maker(tmp_path)


def keep() -> None:
    imagekeeping.keep_images([ImageFile("kernel", "/nonexistent", KERNEL, HASH)], print)


def test_it_is_taken_from_the_recording(made: Maker) -> None:
    """No file is needed."""
    assert find_images(made(embedded=KERNEL))[0].data == KERNEL


def test_what_is_in_the_recording_is_checked_too(made: Maker) -> None:
    """Its hash is in the manifest."""
    with pytest.raises(BadRecording, match="has changed since") as caught:
        find_images(made(embedded=b"other"))
    assert "--image kernel=PATH" in caught.value.remedy


@pytest.mark.parametrize(
    ("hint", "place"),
    [
        ("Image", "rec/Image"),
        ("build/Image", "rec/build/Image"),
        ("../linux/Image", "linux/Image"),
        ("~/linux/Image", "home/linux/Image"),
        ("/nonexistent/Image", "rec/Image"),
        ("~/linux/Image", "rec/Image"),
        ("", "rec/Image"),
        ("", "rec/another-name"),
        ("~/linux/Image", "rec/another-name"),
    ],
)
def test_it_is_found_where_it_was_or_beside_the_recording(
    made: Maker, tmp_path: Path, hint: str, place: str
) -> None:
    """By the hint, by its name, and by its size."""
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).write_bytes(KERNEL)
    assert find_images(made(hint))[0].data == KERNEL


def test_recordings_that_name_it_by_path_are_as_good(made: Maker, tmp_path: Path) -> None:
    """Those of revision 3 and before have it in the machine."""
    old = tmp_path / "somewhere" / "Image"
    old.parent.mkdir()
    old.write_bytes(KERNEL)
    log = made(name=str(old))
    assert find_images(log)[0].data == KERNEL
    old.rename(tmp_path / "rec" / "Image")
    assert find_images(log)[0].data == KERNEL


def test_it_is_found_among_those_that_were_kept(made: Maker, tmp_path: Path) -> None:
    """Though another one is where it was."""
    (tmp_path / "rec" / "Image").write_bytes(b"built anew")
    log = made()
    with pytest.raises(BadRecording, match="has changed since"):
        find_images(log)
    keep()
    assert find_images(log)[0].data == KERNEL


def test_the_user_may_say_where_it_is(made: Maker, tmp_path: Path) -> None:
    """Which is believed if the hash is right."""
    (tmp_path / "x").write_bytes(KERNEL)
    log = made()
    assert find_images(log, {"kernel": str(tmp_path / "x")})[0].data == KERNEL
    (tmp_path / "x").write_bytes(b"another")
    keep()
    with pytest.raises(UsageError) as caught:
        find_images(log, {"kernel": str(tmp_path / "x")})
    assert HASH in caught.value.message
    assert hashlib.sha256(b"another").hexdigest() in caught.value.message


@pytest.mark.parametrize("there", ["/dev/zero", "/", "/nonexistent"])
def test_what_the_user_says_has_to_be_a_file(made: Maker, there: str) -> None:
    """And there is an image for it in the recording."""
    with pytest.raises(UsageError, match="cannot be read"):
        find_images(made(), {"kernel": there})
    with pytest.raises(UsageError, match="without an image for 'dtb'"):
        find_images(made(), {"dtb": there})


@pytest.mark.parametrize("option", ["kernel", "kernel=", "=x", "disk=x", ""])
def test_an_image_is_given_as_role_and_path(option: str) -> None:
    """Nothing else is understood."""
    assert parse_given(["kernel=a=b", "bios=c"]) == {"kernel": "a=b", "bios": "c"}
    with pytest.raises(UsageError, match="which image is where") as caught:
        parse_given([option])
    assert "bios, kernel, initrd, dtb" in caught.value.remedy


@pytest.mark.parametrize("there", ["fifo", "device", "directory", "bigger", "changed", "nothing"])
def test_what_cannot_be_the_image_is_not_used(made: Maker, tmp_path: Path, there: str) -> None:
    """A recording may name anything, and some files never end."""
    kernel = tmp_path / "rec" / "Image"
    if there == "fifo":
        os.mkfifo(kernel)
    elif there == "device":
        kernel.symlink_to("/dev/zero")
    elif there == "directory":
        kernel.mkdir()
    elif there != "nothing":
        kernel.write_bytes({"bigger": KERNEL + b"more", "changed": b"x" * 600}[there])
    word = "no such file" if there == "nothing" else "has changed"
    with pytest.raises(BadRecording, match=word) as caught:
        find_images(made())
    assert HASH in caught.value.remedy
    assert "--image kernel=PATH" in caught.value.remedy


@pytest.mark.parametrize("hint", ["\0", "~nobody/x", "..", "/", "~/\0", "a" * 5000, "/dev/zero"])
def test_a_hint_may_be_anything(made: Maker, hint: str) -> None:
    """It is one place where nothing is."""
    with pytest.raises(BadRecording):
        find_images(made(hint))


def test_few_files_are_looked_into(
    made: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are of the same size."""
    for n in range(20):
        (tmp_path / "rec" / f"{n:02}").write_bytes(b"x" * 600)
    (tmp_path / "rec" / "zz").write_bytes(KERNEL)
    with pytest.raises(BadRecording):
        find_images(made())
    monkeypatch.setattr(imagesearch, "MOST_HASHED", 21)
    assert find_images(made())[0].data == KERNEL


def test_a_manifest_cannot_name_just_anything_as_an_image(made: Maker) -> None:
    """Only what a machine has, once, of a size that can be."""
    for images in (
        [Image("__class__", HASH, 0)],
        [Image("kernel", HASH, 0), Image("kernel", HASH, 0)],
        [Image("kernel", HASH, 1 << 62)],
        [Image("kernel", HASH, -1)],
    ):
        log = made(embedded=KERNEL)
        log.manifest = Manifest({"kernel": "x"}, 0, images=tuple(images))
        with pytest.raises(BadRecording):
            find_images(log)


def test_a_hint_tells_little_of_whose_the_image_is(tmp_path: Path) -> None:
    """From the recording on, from home on, or a place that every host has."""
    home, rec = tmp_path / "home", tmp_path / "home" / "rec" / "r"
    assert make_hint(str(home / "rec" / "b" / "Image"), rec) == "b/Image"
    assert make_hint(str(home / "linux" / "Image"), rec) == "~/linux/Image"
    assert make_hint("/usr/share/qemu/fw.bin", rec) == "/usr/share/qemu/fw.bin"
    assert make_hint(str(tmp_path / "Image"), rec) == "../../Image"
    assert make_hint("/home-of-another/me/Image", rec) == "Image"


def test_without_hints_nothing_is_known_of_where_they_were(made: Maker) -> None:
    """As in what is packed; also of an old recording."""
    machine, images = without_hints(made("~/linux/Image", name="/home/me/linux/Image"))
    assert machine["kernel"] == "Image"
    assert images == (Image("kernel", HASH, 600),)


def test_images_that_cannot_be_kept_are_said_once(data: Path) -> None:
    """And are no failure."""
    data.write_bytes(b"")
    said: list[str] = []
    image = ImageFile("kernel", "/nonexistent", KERNEL, HASH)
    imagekeeping.keep_images([image], said.append)
    imagekeeping.keep_images([image], said.append)
    assert len(said) == 1
    assert "LOCKSTEP_DATA" in said[0]
