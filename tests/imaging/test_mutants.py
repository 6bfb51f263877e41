"""Files with random damage are read or refused, and never anything else; scripts/mutants.py makes many more."""

import importlib.util
import warnings
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from places import ROOT


@pytest.fixture(scope="module")
def mutants() -> ModuleType:
    """scripts/mutants.py as a module."""
    spec = importlib.util.spec_from_file_location("mutants", ROOT / "scripts" / "mutants.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_is_read_or_refused(tmp_path: Path, mutants: ModuleType) -> None:
    seeds, found = mutants.seeds(), set()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")  # as the command line does
        for number, content in enumerate(seeds.values()):
            for index in range(40):
                (tmp_path / "mutant").write_bytes(mutants.mutant(content, np.random.default_rng((1, number, index))))
                found.add(mutants.outcome(tmp_path / "mutant"))
    assert len(seeds) == 10
    assert found <= {"read", "damaged", "not supported", "beyond a limit"}
    assert {"read", "damaged", "not supported"} <= found
