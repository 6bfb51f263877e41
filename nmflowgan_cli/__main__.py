"""`python -m nmflowgan_cli` is `nmflowgan`."""

import sys
from contextlib import suppress

from nmflowgan_cli import interruption

interruption.install()  # before all other imports: they take most of the start


def main() -> None:
    """Run the command line."""
    from nmflowgan_cli.cli import app

    try:
        app(prog_name="nmflowgan")
    except SystemExit as end:
        if end.code == interruption.EXIT_CODE:
            for stream in (sys.stdout, sys.stderr):
                with suppress(OSError, AttributeError, ValueError):
                    stream.flush()
            interruption.leave()
        interruption.ignore()  # the command has ended: its exit code stands
        raise


if __name__ == "__main__":
    main()
