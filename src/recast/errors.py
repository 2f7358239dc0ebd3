"""The error tree: everything recast raises on purpose, with the exit code it means."""


class RecastError(Exception):
    """Root of all errors that recast raises on purpose. The command line prints the message alone.

    `exit_code` is what a command returns when the error reaches it.
    """

    exit_code = 1


class InputError(RecastError):
    """Something the user gave is wrong; the message says what was found, what was expected, and the remedy."""

    exit_code = 2


class ConfigurationError(InputError):
    """An option is unknown, of the wrong type, out of range, or does not fit another one."""


class DataError(InputError):
    """A data file or series cannot be used as it stands."""


class MissingPackageError(ConfigurationError):
    """A package is not installed that an optional part of recast needs."""


class MisfitError(ConfigurationError, DataError):
    """A baseline's options, the windows and the training part do not fit each other."""


class CheckpointError(InputError):
    """A checkpoint is unreadable, hostile, of another version, or does not fit."""


class NonFiniteLossError(RecastError):
    """The training loss became NaN or infinite."""


class StoppedBySignalError(RecastError):
    """Training was stopped by a signal after its state was saved."""

    exit_code = 143


class PrunedError(RecastError):
    """A search has found a run to be hopeless, and ended it."""

    exit_code = 3
