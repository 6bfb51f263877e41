"""Fork server: processes of the tool whose libraries are imported already.

A process is what `python -m nmflowgan_cli` is from its first line on; only the second of importing torch is spared, so
that a kill hits the work and not the start. Orders are lines of JSON on stdin; two lines answer each: the process id,
then the exit code as `subprocess` has it.
"""

import gc
import json
import os
import runpy
import sys
from typing import Any

import h5py  # noqa: F401 - these are imported to be there
import lmdb  # noqa: F401
import matplotlib.figure  # noqa: F401
import pyarrow.parquet  # noqa: F401
import pydantic.fields  # noqa: F401

import nmflowgan_cli.cli
import nmflowgan_cli.denoising.table
import nmflowgan_cli.evaluation.protocol
import nmflowgan_cli.pairs.request
import nmflowgan_cli.pairs.verification
import nmflowgan_cli.report.noise_page
import nmflowgan_cli.synthesis.pipeline
import nmflowgan_cli.training.run  # noqa: F401


def serve() -> dict[str, Any]:
    """Answer orders; returns the order in the process that is to fulfil it."""
    for line in sys.stdin.buffer:
        pid = os.fork()
        if pid == 0:
            return json.loads(line)
        answer(pid)
        answer(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    sys.exit()


def answer(number: int) -> None:
    os.write(1, f"{number}\n".encode())


if __name__ == "__main__":
    gc.freeze()  # what the processes have in common stays shared
    order = serve()
    for number, (name, flags) in enumerate(
        [(os.devnull, os.O_RDONLY), *((order[name], os.O_CREAT | os.O_WRONLY | os.O_TRUNC) for name in ("out", "err"))]
    ):
        os.dup2(os.open(name, flags, 0o666), number)
    os.chdir(order["cwd"])
    sys.argv = ["nmflowgan", *order["arguments"]]
    runpy.run_module("nmflowgan_cli", run_name="__main__", alter_sys=True)
