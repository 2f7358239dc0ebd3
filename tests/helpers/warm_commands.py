"""What a command imports on its way, imported by the server that forks a process for each; see `commands`."""

import contextlib
import gc
import importlib
import os
import sys
from pathlib import Path

MODULES = (
    "fsspec.implementations.chained",
    "hydra._internal.hydra",
    "hydra._internal.logging_config",
    "hydra.core.plugins",
    "hydra.main",
    "hydra_plugins.recast_plugins",
    "matplotlib.backends.backend_agg",
    "PIL.PngImagePlugin",
    "plotext",
    "pydantic.dataclasses",
    "rich._emoji_codes",
    "statsmodels.tsa.statespace.sarimax",
    "torch.utils.serialization",
    "torch.utils.tensorboard",
    "utide",
    "recast.cli.show",
    "recast.cli.train",
    "recast.nn.attention",
    "recast.nn.cells.gru",
    "recast.nn.cells.lstm",
    "recast.nn.models.encoder_decoder",
    "recast.nn.recurrence.compiled.implementation",
    "recast.nn.recurrence.cuda_graph",
    "recast.nn.schedules",
    "recast.runs.evaluate",
    "recast.runs.fit",
    "recast.runs.forecast",
    "recast.runs.gradients",
    "recast.runs.importance",
    "recast.runs.pictures",
    "recast.runs.tasks.classification",
    "recast.runs.tasks.forecast",
    "recast.runs.tasks.imputation",
    "recast.runs.tasks.text",
    "recast.scoring.baselines.harmonic",
    "recast.scoring.baselines.ridge",
    "recast.sweeps.local",
)

for name in MODULES:
    # Without an extra's package, what needs it is not there.
    with contextlib.suppress(ImportError):
        importlib.import_module(name)

importlib.import_module("blank_pictures").install()
importlib.import_module("quick_composition").install()
with contextlib.suppress(ImportError):
    # The files that nearly every command composes.
    importlib.import_module("recast.runs.configure.compose").compose("train", [])

with contextlib.suppress(ImportError):
    # Numba's tables of types and functions, which it fills when the first kernel is looked up.
    from numba.core.registry import cpu_target

    cpu_target.typing_context.refresh()
    cpu_target.target_context.refresh()

# A collection in a child would touch, and so copy, all that the server has made. Those of its own may wait.
gc.collect()
gc.freeze()
gc.set_threshold(7_000, 20, 20)

# How this file was found is no concern of the commands.
HERE = str(Path(__file__).parent)
sys.path.remove(HERE)
if others := [folder for folder in os.environ.pop("PYTHONPATH", "").split(os.pathsep) if folder not in ("", HERE)]:
    os.environ["PYTHONPATH"] = os.pathsep.join(others)
