"""Every error a user can meet, with the exit code that the command line returns for it."""


class NmflowganError(Exception):
    """An error that is told in one line: what is wrong, and the way out (`hint`)."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class UsageError(NmflowganError):
    """The command line asks for something that does not exist or does not fit together."""

    exit_code = 2


class ConditionError(UsageError):
    """A camera or an ISO that the model does not know."""


class PictureError(NmflowganError):
    """One picture cannot be read or written; the others of the batch are still done."""

    exit_code = 3


class DiskError(NmflowganError):
    """Nothing more can be written: the disk is full, the quota is used up, or the file system is read-only."""


class WeightsError(NmflowganError):
    """A weights file that is missing, damaged, of another format, or not what its name says."""

    exit_code = 4


class TrainingError(NmflowganError):
    """Training cannot start or go on."""


class OutOfMemoryError(NmflowganError):
    """Out of memory, also after backing off to the smallest tile."""

    exit_code = 5


class ProfileError(UsageError):
    """Pictures from which no noise profile can be estimated."""


class PictureMemoryError(PictureError, OutOfMemoryError):
    """One picture takes more memory than is left; the others of the batch are still done."""

    exit_code = OutOfMemoryError.exit_code
