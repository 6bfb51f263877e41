"""Options that several commands share, each with its help text in one place."""

from pathlib import Path
from typing import Annotated

import typer

CacheDir = Annotated[
    Path | None,
    typer.Option(help="Folder that weights are kept in.  [default: $NMFLOWGAN_CACHE, or the user's cache folder]"),
]
Device = Annotated[str, typer.Option(help="auto (CUDA where there is one), cpu, cuda or cuda:N.", show_default=True)]
Json = Annotated[bool, typer.Option("--json", help="Results on stdout as JSON.")]
Precision = Annotated[str, typer.Option(help="auto (float32), float32, bfloat16 or float16.", show_default=True)]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Nothing on stderr but errors.")]
Seed = Annotated[int, typer.Option(help="Seed of all random numbers.", show_default=True)]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say on stderr what is used and done.")]
