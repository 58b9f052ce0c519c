"""verify --quick, recover and pack, as their users meet them."""

import json

from fakes.recordings import alter_about, tamper


def test_quick_verification_replays_nothing(cli, recording):
    """And says so, to people and to machines."""
    done = cli("verify", "--quick", recording)
    assert done.status == 0
    for words in ("complete", "sound", "nothing was replayed"):
        assert words in done.out
    facts = json.loads(cli("verify", "--quick", "--json", recording).out)
    assert (facts["ok"], facts["replayed"]) == (True, False)
    assert json.loads(cli("verify", "--json", recording).out)["replayed"] is True


def test_quick_verification_looks_at_the_images(nothing_kept, cli, recording):
    """A replay would need them."""
    kernel = recording.with_name("demo.elf")
    kernel.write_bytes(kernel.read_bytes()[:-1] + b"?")
    done = cli("verify", "--quick", recording)
    assert done.status == 4
    assert "has changed" in done.err
    kernel.unlink()
    done = cli("verify", "--quick", "--json", recording)
    assert done.status == 4
    assert json.loads(done.out)["ok"] is False


def test_quick_verification_finds_damage(cli, recording):
    """Status 4, and what can be done about it."""
    tamper(recording, "UPDATE chunks SET data = zeroblob(9)")
    done = cli("verify", "--quick", recording)
    assert done.status == 4
    assert "checksum" in done.err
    assert "remedy" in done.err


def test_a_packed_recording_needs_nothing_else(nothing_kept, cli, recording, tmp_path):
    """On another machine: another directory, and no images anywhere."""
    console = cli("replay", recording).out
    done = cli("pack", recording, "-o", tmp_path / "packed.lockstep")
    assert done.status == 0, done.err
    assert "with kernel" in done.out
    recording.with_name("demo.elf").unlink()
    assert cli("replay", recording).status == 4
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    packed = (tmp_path / "packed.lockstep").rename(elsewhere / "it")
    recording.unlink()
    done = cli("replay", packed)
    assert (done.status, done.out) == (0, console)
    assert json.loads(cli("info", "--json", packed).out)["images"][0]["embedded"] is True


def test_packing_is_done_in_place_unless_told_otherwise(nothing_kept, cli, recording):
    """The name stays good throughout: it is one recording or the other."""
    facts = json.loads(cli("pack", "--json", recording).out)
    assert facts["recording"] == str(recording)
    assert facts["images"] == ["kernel"]
    recording.with_name("demo.elf").unlink()
    assert cli("verify", recording).status == 0
    assert cli("pack", recording).status == 0


def test_packing_needs_the_images_that_were_recorded(nothing_kept, cli, recording):
    """It names the SHA-256, and leaves the recording as it is."""
    before = recording.read_bytes()
    recording.with_name("demo.elf").write_bytes(b"something else")
    done = cli("pack", recording)
    assert done.status == 4
    assert "give the file with SHA-256" in done.err
    assert recording.read_bytes() == before


def test_record_packs_at_once(nothing_kept, cli, record, tmp_path):
    """If it is asked to."""
    done = record(tmp_path / "packed", "--pack")
    assert done.status == 0
    (tmp_path / "demo.elf").unlink()
    assert cli("replay", tmp_path / "packed").out == done.out


def test_recovering_what_is_whole(cli, recording):
    """Beside it; nothing lost."""
    done = cli("recover", recording)
    assert done.status == 0, done.err
    assert "nothing was lost" in done.out
    assert cli("verify", recording.with_name("demo.recovered.lockstep")).status == 0


def test_recovering_what_is_damaged(cli, recording, tmp_path):
    """Says what was lost; what was saved replays; the damaged one is as it was."""
    tamper(recording, "DELETE FROM ending")
    before = recording.read_bytes()
    facts = json.loads(cli("recover", "--json", recording, "-o", tmp_path / "saved").out)
    assert facts["complete"] is False
    assert cli("verify", tmp_path / "saved").status == 0
    told = cli("info", tmp_path / "saved").out
    assert "recovered, good up to instruction" in told
    assert recording.read_bytes() == before
    assert "not known" in cli("recover", recording).out


def test_recovering_what_was_truncated(cli, recording):
    """Its last two pages gone: the images would have been there, and the ending was."""
    recording.write_bytes(recording.read_bytes()[:-2048])
    done = cli("recover", recording)
    assert done.status == 0
    assert "lost: its ending" in done.out
    assert cli("verify", recording.with_name("demo.recovered.lockstep")).status == 0


def test_recovering_nothing(cli, recording, tmp_path):
    """Status 4, and no file."""
    tamper(recording, "UPDATE chunks SET data = zeroblob(9)")
    done = cli("recover", recording, "-o", tmp_path / "saved")
    assert done.status == 4
    assert "nothing of" in done.err
    assert not (tmp_path / "saved").exists()
    assert cli("recover", recording, "-o", recording).status == 2


def test_a_recording_cannot_speak_to_the_terminal(cli, recording):
    """Escape sequences in it are shown, not sent."""
    alter_about(recording, "ending", lambda it: it.update(reason="\x1b[31mred\x07"))
    alter_about(
        recording, "manifest", lambda it: it["machine"].update({"a\x1b[2J": 1, "smp": "no"})
    )
    for verb in ("info", "verify", "replay", "recover"):
        done = cli(verb, recording)
        assert "\x1b" not in done.out + done.err
        assert "Traceback" not in done.err
    assert "\\x1b[31mred\\x07" in cli("info", recording).out


def test_a_machine_of_a_later_version_is_refused(cli, recording):
    """By the name of what is not known here; unless it is not used."""
    alter_about(recording, "manifest", lambda it: it["machine"].update(disk=None))
    assert cli("verify", recording).status == 0
    alter_about(recording, "manifest", lambda it: it["machine"].update(disk="root.img"))
    for verb in ("verify", "replay", "pack"):
        done = cli(verb, recording)
        assert done.status == 4
        assert "disk is not known" in done.err
        assert "newer" in done.err
