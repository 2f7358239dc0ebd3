"""Hydra finds launchers and sweepers in this place only, and imports it at each start: nothing heavy here."""

from recast.sweeps.local import LocalJobs


class LocalLauncher(LocalJobs):
    """`hydra/launcher=local`."""
