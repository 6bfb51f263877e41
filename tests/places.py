"""Folders that tests read from."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[1]
FIXTURES = ROOT / "tests" / "fixtures"
SHARED = Path(os.environ.get("NMFLOWGAN_SHARED") or ROOT.parent / "shared")
"""Real pairs and further fixtures, which are not part of the repository: tests skip without them."""
