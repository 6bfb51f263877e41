"""The Typer application: registers the commands, and turns errors into one line and an exit code."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from nmflowgan_cli import __version__
from nmflowgan_cli.cli import cameras, doctor, evaluate, make_pairs, profile, synthesize, train, verify, weights
from nmflowgan_cli.cli.progress import error_line
from nmflowgan_cli.errors import NmflowganError, OutOfMemoryError
from nmflowgan_cli.files import DISK_REMEDIES, write_error
from nmflowgan_cli.interruption import EXIT_CODE
from nmflowgan_cli.notices import logs_printed, warnings_logged
from nmflowgan_cli.text import say, shown

USAGE_ERROR: Any = typer.BadParameter.__bases__[0]
"""The base of all mistakes of usage that Typer reports itself, which it does not name."""
NO_ROOM = "failed to map segment"
"""What the dynamic linker says of a library, like torch's, for which there is no memory."""
CLOSED_PIPE = 128 + 13
"""The exit code that a shell gives to a program which SIGPIPE ends; 0 would claim that all was done."""

EXAMPLES = """\b
Examples:
  nmflowgan synthesize photos/ --camera IP --iso 800 -o noisy/
  nmflowgan synthesize photos/ --like noisy.jpg -o noisy/
  nmflowgan make-pairs photos/ -c random -i random --patch 256 -o pairs/
  nmflowgan weights list
"""


def report(error: NmflowganError) -> None:
    """Print the error as one line on stderr."""
    say(error_line(error))


@contextmanager
def usage_shown() -> Iterator[None]:
    """Mistakes of usage quote what was typed, or what a pattern of the shell made of names of files, `shown`."""
    try:
        yield
    except USAGE_ERROR as error:
        error.message = shown(error.message, lines=True)
        raise


def discard_output() -> None:
    """Drop what stdout still holds: Python would try to write it once more at its end, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class Commands(TyperGroup):
    """The group of commands; the one place where errors become exit codes."""

    def main(self, *arguments: Any, **settings: Any) -> Any:
        """Run the program; a closed pipe ends it quietly, a full disk behind stdout with an error of one line."""
        try:
            return super().main(*arguments, **settings)
        except SystemExit as end:
            # Typer and rich answer a closed pipe with exit code 1.
            if isinstance(end.__context__, BrokenPipeError):
                raise SystemExit(CLOSED_PIPE) from None
            raise
        except OSError as error:
            if error.errno not in DISK_REMEDIES:
                raise
            with suppress(OSError):  # stderr may be full, too
                report(write_error(error.filename or "the results to standard output", error))
            discard_output()
            raise SystemExit(1) from None

    def make_context(self, *arguments: Any, **settings: Any) -> Any:
        """Parse the options of the program itself."""
        with usage_shown():
            return super().make_context(*arguments, **settings)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; no traceback for a user's mistake or an interruption."""
        try:
            with logs_printed(), warnings_logged(), usage_shown():
                return super().invoke(ctx)
        except NmflowganError as error:
            report(error)
            raise typer.Exit(error.exit_code) from None
        except (MemoryError, ImportError) as error:
            if isinstance(error, ImportError) and NO_ROOM not in str(error):
                raise
            report(OutOfMemoryError("out of memory", "free memory, or use --tile"))
            raise typer.Exit(OutOfMemoryError.exit_code) from None
        except KeyboardInterrupt as stop:
            with suppress(OSError):  # SIGHUP: the terminal is gone
                say(f"interrupted: {stop}" if str(stop) else "interrupted")
            raise typer.Exit(EXIT_CODE) from None


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - Typer's callback
    if wanted:
        typer.echo(f"nmflowgan {__version__}")
        raise typer.Exit


app = typer.Typer(
    name="nmflowgan",
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode=None,  # plain help: importing rich would double the start-up time
    pretty_exceptions_enable=False,
    epilog=EXAMPLES,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def nmflowgan(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", "-V", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Make clean photographs look as if a given camera had taken them at a given ISO."""


app.command(short_help="Put camera noise on clean photographs.", epilog=synthesize.EXAMPLES)(synthesize.synthesize)
app.command(short_help="Make datasets of noisy/clean patches.", epilog=make_pairs.EXAMPLES)(make_pairs.make_pairs)
app.command(short_help="Train weights on real or simulated pairs.", epilog=train.EXAMPLES)(train.train)
app.command(short_help="Measure how real the noise of models is.", epilog=evaluate.EXAMPLES)(evaluate.evaluate)
app.command(short_help="Compare a folder with its manifest.", epilog=verify.EXAMPLES)(verify.verify)
app.command(short_help="List cameras whose noise is known by name.", epilog=cameras.EXAMPLES)(cameras.cameras)
app.command(short_help="Check the installation.", epilog=doctor.EXAMPLES)(doctor.doctor)
app.add_typer(profile.app, name="profile")
app.add_typer(weights.app, name="weights")
