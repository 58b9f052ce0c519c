"""The command line, called in this process, with what it wrote."""

import sys
from typing import NamedTuple

from lockstep.ui.cli.app import main


class Done(NamedTuple):
    status: int
    out: str
    err: str


def run_cli(capfd, monkeypatch, *arguments: object) -> Done:
    """`lockstep ARGUMENTS`, to its end."""
    capfd.readouterr()
    monkeypatch.setattr(sys, "argv", ["lockstep", *map(str, arguments)])
    try:
        main()
        status = 0
    except SystemExit as leaving:
        status = leaving.code or 0
    out, err = capfd.readouterr()
    return Done(status, out, err)
