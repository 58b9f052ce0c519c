"""`python -m lockstep` and the `lockstep` command."""

import os

try:
    from lockstep import stops
except KeyboardInterrupt:  # so early that there is nobody yet to say it more kindly
    os._exit(130)


def main() -> None:
    """Run the command line and exit. All else is imported once a signal can do no harm."""
    stops.arm()
    from lockstep.ui.cli.app import main as command_line

    command_line()


if __name__ == "__main__":
    main()
