"""How far back a trained model's gradient reaches, layer by layer."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from lightning.fabric.utilities.apply_func import move_data_to_device
from torch import Tensor

from recast.errors import ConfigurationError
from recast.nn.models.model import ForecastModel
from recast.training.evenly import evenly_spaced
from recast.training.memory.decay import decay_rate, time_constant
from recast.training.memory.gates import Saturation, gate_saturation
from recast.training.memory.gradients import STATE, gradient_norms
from recast.training.memory.jacobian import Spectrum, spectrum, state_jacobian
from recast.training.memory.trace import Trace, traced
from recast.types import Batch

CHUNK = 16  # windows whose graphs are in memory at once: 800 steps of 64 LSTM units take 0.3 GB


@dataclass(frozen=True, eq=False)
class LayerMemory:
    """Measurements of one recurrent layer that reads the context.

    Args:
        name: Path of the cell within the model.
        cell: Its class.
        before: Distance of each step before the end of the layer's pass, descending to 0, shape (time,): for a forward
            layer that end is the origin. [steps of the data]
        norms: Gradient norms averaged over windows, shape (time,), by loss ("lead 1", "all leads") and field of the
            state ("hidden", ..., "state" for all fields together).
        spectrum_before: The same as `before` for the steps whose Jacobian was computed, shape (chosen,). [steps]
        singular: Largest singular value of the Jacobian, shape (chosen, windows).
        radius: Its spectral radius, shape (chosen, windows).
        gates: Saturation of each gate.
    """

    name: str
    cell: str
    before: np.ndarray
    norms: dict[str, dict[str, np.ndarray]]
    spectrum_before: np.ndarray
    singular: np.ndarray
    radius: np.ndarray
    gates: dict[str, Saturation]

    def relative(self, loss: str) -> np.ndarray:
        """Gradient norms of the whole state, divided by that at the last step; NaN if that is zero."""
        norms = self.norms[loss][STATE]
        return norms / norms[-1] if norms[-1] > 0 else np.full_like(norms, np.nan)

    def decay_rate(self, loss: str) -> float:
        """Slope of the logarithm of the gradient norm of the whole state into the past, per step of the data."""
        return decay_rate(self.norms[loss][STATE], self.before)

    def time_constant(self, loss: str) -> float:
        """Steps of the data after which that gradient norm has fallen to 1/e; infinite if it does not decay."""
        return time_constant(self.decay_rate(loss))

    @property
    def singular_median(self) -> float:
        """Median of the largest singular values over steps and windows."""
        return float(np.median(self.singular))

    @property
    def radius_median(self) -> float:
        """Median of the spectral radii over steps and windows."""
        return float(np.median(self.radius))


def measure(
    model: ForecastModel,
    batch: Batch,
    *,
    leads: Sequence[int] | None = None,
    jacobian_windows: int = 4,
    jacobian_steps: int = 50,
) -> list[LayerMemory]:
    """Measures every recurrent layer that reads the context, on given windows.

    The loss is that of the model's head for the free-running forecast. The gradient norm of each window's own loss is
    averaged over windows. Everything is computed in float64 on the CPU, on a copy of the model in evaluation mode:
    gradients of 1e-300 are still distinguished from zero, and neither the model nor the random state of a training run
    changes.

    Args:
        model: The model.
        batch: Scaled windows.
        leads: Leads whose losses are measured one by one; none: the first, the middle and the last. [steps]
        jacobian_windows: Windows along which Jacobians are computed, spread evenly over the batch. [windows]
        jacobian_steps: Steps of each of these, spread evenly over the context. [steps]

    Raises:
        ConfigurationError: if no layer of the model reads the context, or a lead lies beyond the horizon.
    """
    horizon = model.spec.horizon
    leads = _first_middle_last(horizon) if leads is None else leads
    if not all(1 <= lead <= horizon for lead in leads):
        raise ConfigurationError(f"leads={list(leads)}: expected leads from 1 to the horizon, {horizon}")
    windows = len(batch.start)
    chosen = evenly_spaced(windows, max(1, jacobian_windows), ends=True)
    layers: list[_Layer] = []
    # A stochastic head may sample its feedback; a trainer validates in inference mode.
    with torch.random.fork_rng(devices=[]), torch.inference_mode(False), torch.enable_grad():
        torch.manual_seed(0)
        model = copy.deepcopy(model).cpu().double().eval().requires_grad_(False)
        for first in range(0, windows, CHUNK):
            stop = min(first + CHUNK, windows)
            part = _alone(batch, first, stop)
            with traced(model) as traces:
                losses = _losses(model, part, leads)
            if not traces:
                raise ConfigurationError(f"{type(model).__name__}: no recurrent cell of it runs over the context")
            layers = layers or [_Layer(trace) for trace in traces]
            for name, loss in losses.items():
                for layer, norms in zip(layers, gradient_norms(traces, loss), strict=True):
                    layer.add_norms(name, norms)
            for layer, trace in zip(layers, traces, strict=True):
                layer.add_gates(trace)
                layer.add_spectra(
                    trace, [window - first for window in chosen if first <= window < stop], jacobian_steps
                )
    return [layer.result(_owner(model, layer.name).steps_read) for layer in layers]


def _owner(model: ForecastModel, layer: str) -> ForecastModel:
    """The innermost forecasting model that has this layer: an ensemble has several."""
    *_, innermost = (
        part
        for path, part in model.named_modules()
        if isinstance(part, ForecastModel) and layer.startswith(f"{path}." if path else "")
    )
    return innermost


def _alone(batch: Batch, first: int, stop: int) -> Batch:
    """Some windows of a batch, on their own, in float64 on the CPU."""
    # By index, as a view of a tensor created in inference mode cannot be part of a graph.
    which = torch.arange(first, stop, device=batch.start.device)
    return move_data_to_device(batch.take(which).to_precision(torch.float64), "cpu")


def _losses(model: ForecastModel, batch: Batch, leads: Sequence[int]) -> dict[str, Tensor]:
    """The head's loss of each lead, and of all together where there are several, by name, summed over windows."""
    parameters = model(batch)
    places = {f"lead {lead}": [lead - 1] for lead in leads}
    if model.spec.horizon > 1:
        places["all leads"] = list(range(model.spec.horizon))
    observed = batch.target_observed

    def summed(place: list[int]) -> Tensor:
        found, truth = parameters[:, place], batch.target[:, place]
        if observed is None:
            # The head's loss is a mean over windows.
            return len(batch.start) * model.head.loss(found, truth)
        windows = zip(found.split(1), truth.split(1), observed[:, place].split(1), strict=True)
        return torch.stack([model.head.loss(*window) for window in windows]).sum()

    return {name: summed(place) for name, place in places.items()}


class _Layer:
    """Collects the measurements of one layer, chunk by chunk."""

    def __init__(self, trace: Trace) -> None:
        self.name = trace.name
        self.cell = type(trace.cell).__name__
        self.time = len(trace.states) - 1
        self.places: list[int] = []
        self.norms: dict[str, dict[str, list[Tensor]]] = {}
        self.spectra: list[Spectrum] = []
        self.gates: dict[str, list[Saturation]] = {}
        self.windows: list[int] = []

    def add_norms(self, loss: str, norms: dict[str, Tensor]) -> None:
        for field, values in norms.items():
            self.norms.setdefault(loss, {}).setdefault(field, []).append(values)

    def add_gates(self, trace: Trace) -> None:
        self.windows.append(len(trace.inputs))
        for name, saturation in gate_saturation(trace).items():
            self.gates.setdefault(name, []).append(saturation)

    def add_spectra(self, trace: Trace, windows: Sequence[int], steps: int) -> None:
        """One matrix at a time: those of a large state would not fit into memory together."""
        self.places = evenly_spaced(self.time, max(1, steps), ends=True)
        for window in windows:
            found = []
            for place in self.places:
                before = trace.cell.state_type(*(part[[window]] for part in trace.states[place]))
                found.append(spectrum(state_jacobian(trace.cell, trace.inputs[[window], place], before)))
            self.spectra.append(Spectrum(*(torch.cat(parts) for parts in zip(*found, strict=True))))

    def result(self, steps: int) -> LayerMemory:
        before = steps / self.time * np.arange(self.time - 1, -1, -1)
        return LayerMemory(
            name=self.name,
            cell=self.cell,
            before=before,
            norms={
                loss: {field: torch.cat(parts).mean(dim=0).numpy() for field, parts in fields.items()}
                for loss, fields in self.norms.items()
            },
            spectrum_before=before[self.places],
            singular=torch.stack([found.singular for found in self.spectra], dim=1).numpy(),
            radius=torch.stack([found.radius for found in self.spectra], dim=1).numpy(),
            gates={
                name: Saturation(*np.average(np.array(parts), axis=0, weights=self.windows).tolist())
                for name, parts in self.gates.items()
            },
        )


def _first_middle_last(horizon: int) -> list[int]:
    return sorted({1, (horizon + 1) // 2, horizon})
