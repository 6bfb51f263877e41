"""Containers of pairs: folders of pictures, HDF5, LMDB, tar shards (webdataset) or Parquet."""

from pathlib import Path

from nmflowgan_cli.data.containers.base import Container, Sample, Volume
from nmflowgan_cli.data.layouts import layout
from nmflowgan_cli.errors import UsageError

CONTAINERS = ("folder", "hdf5", "lmdb", "webdataset", "parquet")
DEFAULT_LAYOUTS = {"folder": "flat", "lmdb": "basicsr"}
"""Layouts of the containers that have a choice of them."""

__all__ = ["CONTAINERS", "Container", "Sample", "Volume", "open_container"]


def open_container(name: str, root: Path, layout_name: str | None = None) -> Container:
    """The container of that name below `root`; nothing is written yet.

    `layout_name`: of a folder or LMDB, None for the usual one. Raises UsageError for an unknown name, a layout where
    there is nothing to lay out, and a package that is not installed.
    """
    if name not in CONTAINERS:
        raise UsageError(f"unknown container {name!r}", f"one of {', '.join(CONTAINERS)}")
    if name not in DEFAULT_LAYOUTS and layout_name is not None:
        raise UsageError(f"container {name} has a layout of its own", "--layout is for folder and lmdb")
    chosen = layout(layout_name or DEFAULT_LAYOUTS.get(name, "flat"))
    if name == "folder":
        from nmflowgan_cli.data.containers.folders import FolderContainer

        return FolderContainer(root, chosen)
    if name == "lmdb":
        from nmflowgan_cli.data.containers.lmdb import LMDBContainer

        return LMDBContainer(root, chosen)
    if name == "hdf5":
        from nmflowgan_cli.data.containers.hdf5 import HDF5Container

        return HDF5Container(root)
    if name == "webdataset":
        from nmflowgan_cli.data.containers.webdataset import WebDatasetContainer

        return WebDatasetContainer(root)
    from nmflowgan_cli.data.containers.parquet import ParquetContainer

    return ParquetContainer(root)
