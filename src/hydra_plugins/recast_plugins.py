"""Hydra finds launchers and sweepers in this place only, and imports it at each start: nothing heavy here."""

from recast.sweeps.local import LocalJobs
from recast.sweeps.slurm import SlurmJobs


class LocalLauncher(LocalJobs):
    """`hydra/launcher=local`."""


class SlurmLauncher(SlurmJobs):
    """`hydra/launcher=slurm`."""
