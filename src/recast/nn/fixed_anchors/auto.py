"""An anchor that is chosen among several on the validation windows."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, cast

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor, nn

from recast.data.spec import SeriesSpec
from recast.errors import ConfigurationError
from recast.nn.anchors import Anchor, LastAnchor, NoAnchor
from recast.nn.fixed_anchors.fixed_anchor import FixedAnchor
from recast.nn.fixed_anchors.known import KnownAnchor
from recast.nn.fixed_anchors.ridge import RidgeAnchor
from recast.nn.fixed_anchors.seasonal import SeasonalAnchor
from recast.options import PositiveInt, checked
from recast.types import Batch

log = logging.getLogger(__name__)

CANDIDATES: Mapping[str, Callable[..., Anchor]] = MappingProxyType(
    {
        "none": NoAnchor,
        "last": LastAnchor,
        "ridge": RidgeAnchor,
        "ridge_on_changes": partial(RidgeAnchor, levels=False),
        "harmonic": KnownAnchor,
        "harmonic_ridge": partial(RidgeAnchor, course="tide"),
        "seasonal": SeasonalAnchor,
    }
)


class AutoAnchor(FixedAnchor):
    """Of several anchors the one whose own forecasts have the smallest squared error on the validation windows.

    A solved line is the right base for tides, and the wrong one where a series drifts from training to test. All that
    fit the data are solved on the training windows; scores are in the scale of the model.

    Args:
        spec: Names and sizes of the data; given by the model.
        leads: Number of leads; given by the model.
        candidates: Anchors by name. One that does not fit the data (it lacks a column known ahead, or reads more than
            the context) is left out, with a log line.

    Attributes:
        best: Place of the one that was taken; -1 before the choice, when the first one forecasts, and what any of them
            reads counts.
        errors: Mean squared error of each, NaN before the choice.

    Raises:
        ConfigurationError: if none fits, or one has weights that training would change.
    """

    best: Int[Tensor, ""]
    errors: Float64[Tensor, " candidates"]

    @checked
    def __init__(
        self,
        *,
        spec: SeriesSpec,
        leads: PositiveInt,
        candidates: Mapping[str, Callable[..., Anchor] | None] = CANDIDATES,
    ) -> None:
        found: dict[str, Anchor] = {}
        for name, candidate in candidates.items():
            if candidate is None:
                continue
            try:
                anchor = candidate(spec=spec, leads=leads)
            except ConfigurationError as error:
                log.info("model.anchor.candidates.%s is left out: %s", name, error)
                continue
            if any(True for _ in anchor.parameters()):
                raise ConfigurationError(
                    f"AutoAnchor: candidates.{name}: {type(anchor).__name__} is trained with the network, so that "
                    "there is nothing to compare before; leave it out (null)"
                )
            if anchor.reach <= spec.context:
                found[name] = anchor
            else:
                log.info(
                    "model.anchor.candidates.%s is left out: it reads the last %d steps, and the context has %d",
                    *(name, anchor.reach, spec.context),
                )
        if not found:
            raise ConfigurationError("AutoAnchor: candidates: none of them fits the data; give one that does")
        super().__init__(spec=spec, leads=leads, reach=max(anchor.reach for anchor in found.values()))
        self.candidates = nn.ModuleDict(found)
        self.register_buffer("best", torch.tensor(-1))
        self.register_buffer("errors", torch.full((len(found),), torch.nan, dtype=torch.float64))

    @property
    def names(self) -> list[str]:
        """The candidates that fit the data."""
        return list(self.candidates)

    @property
    def chosen(self) -> Anchor:
        """The one that was taken."""
        return self._every[max(int(self.best), 0)]

    @property
    def _every(self) -> list[Anchor]:
        return [cast("Anchor", anchor) for anchor in self.candidates.values()]

    @property
    def _possible(self) -> list[Anchor]:
        """Those that may be the chosen one."""
        return self._every if self.best < 0 else [self.chosen]

    @property
    def is_last(self) -> bool:
        """As the chosen one."""
        return self.chosen.is_last

    @property
    def is_zero(self) -> bool:
        """As the chosen one."""
        return self.chosen.is_zero

    @property
    def interpolates(self) -> bool:
        """As the chosen one."""
        return any(anchor.interpolates for anchor in self._possible)

    @property
    def reads_inputs(self) -> bool:
        """As the chosen one."""
        return any(anchor.reads_inputs for anchor in self._possible)

    def forward(self, recent: Float[Tensor, "*batch reach targets"]) -> Float[Tensor, "*batch leads targets"]:
        """As the chosen one."""
        return self.chosen(recent[..., -self.chosen.reach :, :])

    def beside(self, batch: Batch) -> Float[Tensor, "batch leads targets"]:
        """As the chosen one."""
        return self.chosen.beside(batch)

    def solve(self, blocks: Sequence[Iterable[Batch]], rest: Iterable[Batch]) -> None:
        """Solves every candidate; `choose` takes one afterwards.

        Raises:
            ConfigurationError: if one cannot be solved.
        """
        windows, others = [list(block) for block in blocks], list(rest)
        for anchor in self._every:
            if isinstance(anchor, FixedAnchor):
                anchor.solve(windows, others)

    def choose(self, error: Callable[[], float]) -> None:
        """Takes the candidate with the smallest error.

        Args:
            error: That of the model's base forecasts, with the candidate that is chosen at the time.
        """
        for place in range(len(self.names)):
            self.best.fill_(place)
            self.errors[place] = error()
        self.best.copy_(self.errors.argmin())

    @property
    def facts(self) -> dict[str, Any]:
        """The one that was taken, the errors of all, and what it chose itself."""
        errors = {name: float(f"{value:.6g}") for name, value in zip(self.names, self.errors.tolist(), strict=True)}
        own = self.chosen.facts if isinstance(self.chosen, FixedAnchor) else {}
        return {"chosen": self.names[max(int(self.best), 0)], "validation_mse": errors, **own}
