"""Notices: what a user has to know and did not ask for, once a process, by the package's logger.

They reach stderr unless the program's logging says otherwise; `-q` hushes them.
"""

import logging
from functools import cache

LOGGER = logging.getLogger("nmflowgan_cli")


@cache
def notice(text: str) -> None:
    """Log a line, the first time that it comes up."""
    LOGGER.warning(text)
