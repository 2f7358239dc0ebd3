"""Exporting a trained model as one graph that a program can run without recast."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import recast
from recast.data.panel import Panel
from recast.errors import ConfigurationError, RecastError
from recast.nn.ensemble.ensemble import Ensemble
from recast.nn.models.model import ForecastModel
from recast.nn.recurrence.engine import Engine, using
from recast.runs.export.check import error_on, require_same
from recast.runs.export.closed_form import require_closed_form
from recast.runs.export.contract import description_of, outputs_of, windows_of
from recast.runs.export.graph import ForecastGraph
from recast.runs.export.onnx_file import onnx_file, run_onnx
from recast.runs.export.random_windows import random_panel
from recast.runs.export.torch_program import run_torch_program, torch_program
from recast.runs.load import load_network
from recast.runs.network_forecaster import NetworkForecaster
from recast.scoring.calibration.calibration import Calibrated
from recast.system.files import require_file, user_path, write_whole
from recast.training.evenly import evenly_spaced

log = logging.getLogger(__name__)

WINDOWS = 16
"""Random windows that a graph is checked on; and as many real ones, at most."""
FILES = ("checkpoint", "input", "known", "output")


@dataclass(frozen=True)
class Exported:
    """What was exported.

    Args:
        content: Of the file.
        errors: Largest relative error of the graph, by the kind of windows.
        seconds: Time that writing the graph took.
    """

    content: bytes
    errors: dict[str, float]
    seconds: float


def export_file(config: dict[str, Any]) -> Exported:
    """Exports a checkpoint, checks the graph, writes it, and says what it was checked on.

    Args:
        config: A configuration of recast-export that has passed the check, in plain containers.

    Raises:
        InputError: if checkpoint or data cannot be used, the model cannot be exported, or the graph forecasts otherwise
            than the model; nothing is written then.
    """
    torch.set_num_threads(config["threads"])
    config = config | {name: str(user_path(config[name])) for name in FILES if config[name] is not None}
    output = Path(config["output"])
    require_file(output, "output")
    _require_different(config)
    path = Path(config["checkpoint"])
    forecaster = load_network(path, config["trust"] or (), config["data"])
    real = _real_windows(forecaster, config)
    exported = export(
        forecaster.model, forecaster.calibrated, config["format"], config["levels"], real, seed=config["seed"]
    )
    write_whole(output, lambda aside: aside.write_bytes(exported.content))
    checked = ", ".join(f"{kind} {error:.2g}" for kind, error in exported.errors.items())
    log.info("largest relative error: %s", checked)
    return exported


def export(
    model: ForecastModel,
    calibrated: Calibrated | None,
    form: str,
    levels: list[float],
    real: tuple[Panel, np.ndarray] | None = None,
    *,
    seed: int = 0,
) -> Exported:
    """A graph of a trained model, checked on random windows and on real ones.

    Args:
        model: The model, in evaluation mode.
        calibrated: What its bands were calibrated with; None: they are the model's own.
        form: "onnx" or "torch_export".
        levels: Probabilities of the central intervals whose ends are quantiles of the graph, where the model knows any.
        real: A panel and the first rows of its windows; None: random windows alone.
        seed: Of the random windows.

    Raises:
        ConfigurationError: if the model cannot be exported, or the graph forecasts otherwise.
    """
    with using(Engine(implementation="plain")):
        panel = random_panel(model.spec, WINDOWS, seed)
        first = np.arange(WINDOWS) * (model.spec.context + model.spec.horizon)
        arrays = windows_of(panel, model.spec, first)
        ends = tuple(sorted({end for level in levels for end in ((1 - level) / 2, 1 - (1 - level) / 2)}))
        own = calibrated is None or calibrated.calibration.needs_band
        require_closed_form(model, needs_quantiles=bool(ends) and own)
        graph = ForecastGraph(model, calibrated, _known(model, calibrated, ends, arrays)).eval()
        tensors = [torch.from_numpy(array[:3]) for array in arrays.values()]
        description = description_of(model.spec, graph.levels, **_facts(model, calibrated))
        begun = time.perf_counter()
        with _refusing(form, model):
            if form == "onnx":
                _require_single_precision(model)
                names = [array.name for array in outputs_of(model.spec, graph.levels)]
                content = onnx_file(graph, tensors, names, description)
            else:
                content = torch_program(graph, tensors, description)
        seconds = time.perf_counter() - begun

        def run(given: dict[str, np.ndarray]) -> list[np.ndarray]:
            with _refusing(form, model):
                return run_onnx(content, given) if form == "onnx" else run_torch_program(content, given)

        errors = {}
        for kind, windows in {"random windows": (panel, first), "real windows": real}.items():
            if windows is not None:
                errors[kind] = error_on(run, model, calibrated, graph.levels, windows)
                require_same(errors[kind], kind)
    return Exported(content, errors, seconds)


@contextmanager
def _refusing(form: str, model: ForecastModel) -> Iterator[None]:
    """Says in one line what torch or ONNX Runtime cannot do with a graph."""
    try:
        yield
    except RecastError:
        raise
    # What they raise has no common root, and is about operations of any kind.
    except Exception as error:
        said = str(error).strip().partition("\n")[0] or type(error).__name__
        raise ConfigurationError(
            f"format={form}: {type(model).__name__} cannot be exported: {said}; use another format, or recast.load"
        ) from error


def _require_single_precision(model: ForecastModel) -> None:
    if model.precision != torch.float32:
        raise ConfigurationError(
            f"format=onnx: the network computes in {str(model.precision).removeprefix('torch.')}, recurrent layers of "
            "ONNX Runtime in float32 alone; train with trainer.precision=32-true, or use format=torch_export"
        )


def _known(
    model: ForecastModel, calibrated: Calibrated | None, levels: tuple[float, ...], arrays: dict[str, np.ndarray]
) -> tuple[float, ...]:
    """The levels, or none where the model knows but a point; what it does not know is refused."""
    if not levels or (calibrated is None and _is_point(model)):
        return ()
    tensors = [torch.from_numpy(array[:1]) for array in arrays.values()]
    with torch.no_grad():
        ForecastGraph(model, calibrated, levels)(*tensors)
    return levels


def _is_point(model: ForecastModel) -> bool:
    heads = [member.head for member in model.models] if isinstance(model, Ensemble) else [model.head]
    return any(head.parts == {"mean"} for head in heads)


def _facts(model: ForecastModel, calibrated: Calibrated | None) -> dict[str, Any]:
    """What the description says beside arrays."""
    bands = None if calibrated is None else type(calibrated.calibration).__name__
    if calibrated is not None and calibrated.calibration.follows:
        bands = f"{bands} at its nominal levels: what it learns of the windows before the origin is not in the graph"
        log.warning("calibration=adaptive: the band is that of the nominal levels; a graph follows no windows")
    return {
        "recast": recast.__version__,
        "model": type(model).__name__,
        "precision": str(model.precision).removeprefix("torch."),
        "calibration": bands,
    }


def _real_windows(forecaster: NetworkForecaster, config: dict[str, Any]) -> tuple[Panel, np.ndarray] | None:
    """The last windows of each series of a table, the last of which ends at its end; None without a table."""
    if config["input"] is None:
        return None
    known = None if config["known"] is None else forecaster.source.load(config["known"])
    tables = {name: forecaster.covariates.load(name, path) for name, path in (config["tables"] or {}).items()}
    panel = forecaster.windows_table(forecaster.source.load(config["input"]), known, tables=tables, rows=WINDOWS)
    whole = forecaster.spec.context + forecaster.spec.horizon
    starts = np.concatenate([np.arange(begin, stop - whole + 1) for begin, stop in panel.pieces])
    return panel, starts[evenly_spaced(len(starts), WINDOWS, ends=True)]


def _require_different(config: dict[str, Any]) -> None:
    """Nothing that is read is overwritten."""
    output = Path(config["output"]).resolve()
    for option in ("checkpoint", "input", "known"):
        if config[option] is not None and Path(config[option]).resolve() == output:
            raise ConfigurationError(f"output={config['output']}: the same file as {option}; give another")
