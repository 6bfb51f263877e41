"""The program itself: version, help pages, shell completion."""

import os
import subprocess
import sys

import pytest

from nmflowgan_cli import __version__

COMMANDS = ("synthesize", "make-pairs", "train", "evaluate", "weights")


def run(*arguments: str, **variables: str) -> str:
    command = [sys.executable, "-m", "nmflowgan_cli", *arguments]
    environment = {**os.environ, "COLUMNS": "200", **variables}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_version_has_a_short_option() -> None:
    assert run("-V") == run("--version") == f"nmflowgan {__version__}\n"


def test_the_help_page_lists_commands_and_examples() -> None:
    page = run("--help")
    assert all(f"\n  {command} " in page for command in COMMANDS)
    assert "\n    nmflowgan synthesize photos/ --camera IP" in page


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("synthesize", ("INPUTS", "png|same|jpg|webp|tiff|bmp", "error|skip|overwrite", "--relative-to FOLDER")),
        ("make-pairs", ("flat|restormer|nafnet|basicsr|sidd", "folder|hdf5|lmdb|webdataset|parquet", "-0, --null")),
    ],
)
def test_help_pages_show_the_choices(command: str, shown: tuple[str, ...]) -> None:
    page = run(command, "--help")
    assert [text for text in shown if text not in page] == []


def test_an_unknown_choice_is_a_mistake_of_usage() -> None:
    command = [sys.executable, "-m", "nmflowgan_cli", "make-pairs", "x", "-o", "y", "--layout", "z"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "'z' is not one of 'flat', 'restormer'" in done.stderr


@pytest.mark.parametrize(
    ("words", "completed"),
    [("nmflowgan syn", "synthesize"), ("nmflowgan make-pairs --lay", "--layout")],
)
def test_the_shell_completes_commands_and_options(words: str, completed: str) -> None:
    number = str(len(words.split()) - 1)
    found = run(_NMFLOWGAN_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=number)
    assert found.split() == [completed]
