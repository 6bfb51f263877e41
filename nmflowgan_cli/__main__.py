"""`python -m nmflowgan_cli` is `nmflowgan`."""

import gc
import os
import sys
from contextlib import suppress

from nmflowgan_cli import interruption

interruption.install()  # before all other imports: they take most of the start


def open_closed_streams() -> None:
    """Let output to a closed stream go nowhere; its descriptor would else be that of the next file that is opened."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 - for the process


def main() -> None:
    """Run the command line."""
    open_closed_streams()
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
        gc.freeze()  # Python's last collections would walk all that torch has imported, for .3 s
        raise


if __name__ == "__main__":
    main()
