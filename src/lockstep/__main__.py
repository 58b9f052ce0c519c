"""`python -m lockstep` and the `lockstep` command."""

from lockstep.ui.cli.app import main

if __name__ == "__main__":
    main()
