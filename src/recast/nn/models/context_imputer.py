"""A trained imputation model that fills the context of a forecast."""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from recast.data.spec import SeriesSpec
from recast.errors import ConfigurationError
from recast.nn.models.imputer import Imputer
from recast.types import Batch, Observed

OPTION = "data.grid.checkpoint"


class ContextImputer(nn.Module):
    """What an imputation model makes of the targets that were not observed, from the context of a window alone.

    With the location and scale (l, s) of the forecast's targets and (a, b) of the imputer's,

        z = (x s + l - a) / b,      x' = (imputer(z) b + a - l) / s

    where nothing was observed; observations stay as they are. It is frozen: its weights take no gradient, and nothing
    is dropped in it while the forecasting model is trained.

    Args:
        imputer: The imputation model with its weights, or to be given them.
        spec: The data of the forecast.

    Raises:
        ConfigurationError: if the imputer was trained on other targets, units or steps, or reads what the data of the
            forecast lack.
    """

    offset: Tensor
    scale: Tensor
    own_offset: Tensor
    own_scale: Tensor
    beside_offset: Tensor
    beside_scale: Tensor

    def __init__(self, *, imputer: Imputer, spec: SeriesSpec) -> None:
        super().__init__()
        own = imputer.spec
        _require_same_series(own, spec)
        self.spec = spec
        self.imputer = imputer.requires_grad_(False)
        self._order = [spec.target_names.index(name) for name in own.target_names]
        self._back = [own.target_names.index(name) for name in spec.target_names]
        # Past columns, then those known ahead, as `_beside` joins them.
        found = {column.name: place for place, column in enumerate((*spec.reals("past"), *spec.reals("known")))}
        self._beside_places = [found[column.name] for column in own.of("past", "known")]
        self._own_past = len(own.of("past"))
        given = dict(zip(spec.names, zip(spec.offset, spec.scale, strict=True), strict=True))
        read = dict(zip(own.names, zip(own.offset, own.scale, strict=True), strict=True))
        beside = [(given[column.name], read[column.name]) for column in own.of("past", "known")]
        for name, numbers in {
            "offset": spec.target_offset,
            "scale": spec.target_scale,
            "own_offset": own.target_offset,
            "own_scale": own.target_scale,
            "beside_offset": [(of[0] - to[0]) / to[1] for of, to in beside],
            "beside_scale": [of[1] / to[1] for of, to in beside],
        }.items():
            self.register_buffer(name, torch.tensor(numbers, dtype=torch.float64), persistent=False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "ContextImputer":
        """As of any module, but the scaling stays float64 where all else is converted."""
        exact = dict(self.named_buffers(recurse=False))
        super()._apply(fn, recurse)
        for name, values in exact.items():
            setattr(self, name, values.to(getattr(self, name).device))
        return self

    def forward(self, batch: Batch) -> Float[Tensor, "batch context targets"]:
        """The scaled targets of the context, filled where none was observed.

        Args:
            batch: Windows of the forecast, with masks; their targets, and what is known of the horizon, are not read.
        """
        observed = batch.observed
        if observed is None:
            return batch.history
        if self.imputer.training:
            # Here rather than in `train`: Lightning warns of parts that training begins with in evaluation mode.
            self.imputer.eval()
        offset, scale = batch.affine(self.offset, self.scale)
        values = (batch.history.double() * scale + offset)[..., self._order]
        scaled = ((values - self.own_offset) / self.own_scale).to(batch.history.dtype)
        beside, seen = self._beside(batch, observed)
        past, history_seen = self._own_past, observed.history[..., self._order]
        found = self.imputer(
            Batch(
                history=scaled.where(history_seen, 0.0),
                past=beside[..., :past],
                known=beside[..., past:],
                static=beside[:, 0, :0],
                target=scaled[:, :0],
                start=batch.start,
                item=batch.item,
                observed=Observed(history_seen, seen[..., :past], seen[..., past:], history_seen[:, :0]),
            )
        ).mean
        values = (found.double() * self.own_scale + self.own_offset)[..., self._back]
        filled = ((values - offset) / scale).to(batch.history.dtype)
        return batch.history.where(observed.history, filled)

    def _beside(
        self, batch: Batch, observed: Observed
    ) -> tuple[Float[Tensor, "batch context columns"], Bool[Tensor, "batch context columns"]]:
        """The imputer's past columns and those known ahead in its scaling, 0 where not observed, and their masks."""
        values = torch.cat([batch.past, batch.known_before], dim=-1)[..., self._beside_places]
        seen = torch.cat([observed.past, observed.known[:, : batch.context]], dim=-1)[..., self._beside_places]
        scaled = (values.double() * self.beside_scale + self.beside_offset).to(values.dtype)
        return scaled.where(seen, 0.0), seen


def _require_same_series(own: SeriesSpec, spec: SeriesSpec) -> None:
    """Raises ConfigurationError where an imputer of data `own` cannot fill contexts of data `spec`."""
    targets = [{column.name: column.unit for column in side.of("target")} for side in (own, spec)]
    if targets[0] != targets[1]:
        filled, wanted = (", ".join(_told(*one) for one in side.items()) for side in targets)
        raise ConfigurationError(
            f"{OPTION}: the imputation model fills {filled}, but the targets of the forecast are {wanted}; train "
            "one on the same columns"
        )
    if own.step != spec.step:
        raise ConfigurationError(
            f"{OPTION}: the imputation model was trained on a row every {own.step}, but the data have one every "
            f"{spec.step}; train one on the same step"
        )
    inputs = own.of("past", "known")
    whole = [column.name for column in (*own.static_inputs, *(one for one in inputs if one.is_category))]
    if whole:
        raise ConfigurationError(
            f"{OPTION}: the imputation model reads static inputs or categories ({', '.join(whole)}), which it is not "
            "given in a forecast; train one without"
        )
    found: dict[str, Any] = {
        column.name: column.unit for column in (*spec.reals("past"), *spec.reals("known")) if not column.from_origin
    }
    lacking = [_told(column.name, column.unit) for column in inputs if found.get(column.name) != column.unit]
    if lacking:
        raise ConfigurationError(
            f"{OPTION}: the imputation model reads {', '.join(lacking)}, which the data of the forecast lack; give "
            "them as inputs in the same unit (data.source.past, data.source.known, data/features), or train one without"
        )


def _told(name: str, unit: str) -> str:
    return f"{name} [{unit}]" if unit else name
