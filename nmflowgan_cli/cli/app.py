"""The Typer application: registers the commands, and turns errors into one line and an exit code."""

import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from nmflowgan_cli import __version__
from nmflowgan_cli.cli import evaluate, make_pairs, synthesize, train, weights
from nmflowgan_cli.errors import NmflowganError

INTERRUPTED = 130


def report(error: NmflowganError) -> None:
    """The error as one line on stderr."""
    line = " ".join(str(error).split())
    typer.echo(f"error: {line}".encode(errors="surrogateescape"), err=True)


@contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM interrupts like Ctrl-C inside the context, so that everything under way is cleaned up."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class Commands(TyperGroup):
    """The group of commands; the one place where errors become exit codes."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; no traceback for a user's mistake, an interruption or a closed pipe."""
        warnings.filterwarnings("ignore", module=r"PIL\.")  # they do not name the picture
        try:
            with terminable():
                result = super().invoke(ctx)
            sys.stdout.flush()
        except NmflowganError as error:
            report(error)
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            typer.echo("interrupted", err=True)
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:  # whoever read our results has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(1) from None
        return result


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
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def nmflowgan(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Make clean photographs look as if a given camera had taken them at a given ISO."""


app.command(short_help="Put camera noise on clean photographs.", epilog=synthesize.EXAMPLES)(synthesize.synthesize)
app.command(short_help="Make datasets of noisy/clean patches.", epilog=make_pairs.EXAMPLES)(make_pairs.make_pairs)
app.command(short_help="Train weights on real or simulated pairs.", epilog=train.EXAMPLES)(train.train)
app.command(short_help="Measure how real the noise of models is.", epilog=evaluate.EXAMPLES)(evaluate.evaluate)
app.add_typer(weights.app, name="weights")
