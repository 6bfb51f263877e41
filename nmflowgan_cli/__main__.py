"""`python -m nmflowgan_cli` is `nmflowgan`."""

from nmflowgan_cli.cli import app

if __name__ == "__main__":
    app(prog_name="nmflowgan")
