"""A seal fits one name and one content, and only the user can make one."""

from __future__ import annotations

from pathlib import Path

import pytest

from lockstep.places.seal import SEAL_BYTES, seal, secret
from lockstep.places.trust import Untrusted


def test_the_secret_is_made_once_and_is_the_users(tmp_path: Path) -> None:
    """Of each cache another."""
    made = secret(tmp_path / "cache")
    assert secret(tmp_path / "cache") == made
    assert secret(tmp_path / "other") != made
    assert (tmp_path / "cache" / "secret").stat().st_mode & 0o777 == 0o600


def test_half_a_secret_is_made_anew(tmp_path: Path) -> None:
    """Its maker was killed, and has sealed nothing."""
    (tmp_path / "secret").write_bytes(b"half")
    made = secret(tmp_path)
    assert len(made) == 32
    assert secret(tmp_path) == made


def test_a_secret_that_others_can_write_is_none(tmp_path: Path) -> None:
    secret(tmp_path)
    (tmp_path / "secret").chmod(0o666)
    with pytest.raises(Untrusted, match="can be written by others"):
        secret(tmp_path)


def test_a_seal_depends_on_all_that_it_is_for() -> None:
    """Nothing can be moved between the name and the content."""
    cases = [(b"k", b"n", b"d"), (b"x", b"n", b"d"), (b"k", b"x", b"d"), (b"k", b"n", b"x")]
    cases += [(b"k", b"nd", b""), (b"k", b"", b"nd")]
    made = {seal(*case) for case in cases}
    assert len(made) == len(cases)
    assert {len(each) for each in made} == {SEAL_BYTES}
