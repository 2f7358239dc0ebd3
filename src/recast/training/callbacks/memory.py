"""How far back the gradient reaches during training: as curves, and as a figure."""

import math
from collections.abc import Sequence

import lightning.pytorch as pl

from recast.options import PositiveInt, checked
from recast.training.callbacks.forecast_figures import log_figure
from recast.training.callbacks.windows_to_show import shown_part
from recast.training.curves import log_curves
from recast.training.evenly import evenly_spaced
from recast.training.memory.memory import LayerMemory, measure
from recast.training.memory.picture import layer_name, picture


class MemoryCurves(pl.Callback):
    """Measures the memory of each recurrent layer on a few validation windows.

    See `recast.training.memory.memory.measure`.

    Logged for each layer: `time_constant` and `decay_rate` of the gradient of all leads [steps of the data, and its
    inverse], the medians of `singular_value` and `spectral_radius`, and for each gate the share of `saturated` values,
    below .1 or above .9. A gradient that does not decay has no time constant. The figure goes to TensorBoard and to
    `figures/validation_memory.png` in the run's folder. Training is unaffected: everything is measured on a copy.

    Args:
        every_n_epochs: Epochs between measurements; the last epoch is always measured. [epochs]
        windows: Windows averaged over, spread evenly over the validation windows. [windows]
        jacobian_windows: Number of these windows along which Jacobians are computed. [windows]
        jacobian_steps: Steps in each of these, spread evenly over the context. [steps]
    """

    @checked
    def __init__(
        self,
        *,
        every_n_epochs: PositiveInt = 1,
        windows: PositiveInt = 16,
        jacobian_windows: PositiveInt = 2,
        jacobian_steps: PositiveInt = 20,
    ) -> None:
        super().__init__()
        self.every_n_epochs = every_n_epochs
        self.windows = windows
        self.jacobian_windows = jacobian_windows
        self.jacobian_steps = jacobian_steps

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Rejects a model with nothing to measure before the first epoch.

        Raises:
            ConfigurationError: if no layer of the model reads the context.
        """
        shown = shown_part(trainer)
        if shown is not None:
            task, data = shown
            first = data.prepared.starts.validation[:1]
            measure(task.model, data.windows_at(first), leads=[1], jacobian_windows=1, jacobian_steps=1)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Measures if due."""
        shown = shown_part(trainer)
        last = trainer.current_epoch + 1 == trainer.max_epochs
        due = last or (trainer.current_epoch + 1) % self.every_n_epochs == 0
        if shown is None or not due or trainer.sanity_checking or not trainer.is_global_zero:
            return
        task, data = shown
        starts = data.prepared.starts.validation
        layers = measure(
            task.model,
            data.windows_at(starts[evenly_spaced(len(starts), self.windows)]),
            jacobian_windows=self.jacobian_windows,
            jacobian_steps=self.jacobian_steps,
        )
        log_curves(trainer, curves(layers))
        title = f"{data.spec.target_names[0]}: validation, epoch {trainer.current_epoch + 1}"
        log_figure(trainer, "validation_memory", picture(layers, title=title), trainer.global_step)


def curves(layers: Sequence[LayerMemory]) -> dict[str, float]:
    """One finite number for each curve, by its name."""
    values: dict[str, float] = {}
    for layer in layers:
        name = layer_name(layer).replace(", ", "_").replace(" ", "_")
        # The last loss is that of all leads together, or of the single lead.
        loss = list(layer.norms)[-1]
        values[f"time_constant/{name}"] = layer.time_constant(loss)
        values[f"decay_rate/{name}"] = layer.decay_rate(loss)
        values[f"singular_value/{name}"] = layer.singular_median
        values[f"spectral_radius/{name}"] = layer.radius_median
        values |= {f"saturated/{name}_{gate}": found.low + found.high for gate, found in layer.gates.items()}
    return {name: value for name, value in values.items() if math.isfinite(value)}
