"""Several models of the same data as one."""

from collections.abc import Callable, Sequence
from typing import Annotated, ClassVar, Literal, cast

import torch
from annotated_types import MinLen
from jaxtyping import Float
from torch import Tensor, nn

from recast.data.panel import Panel
from recast.data.spec import Feature, SeriesSpec
from recast.nn.anchors import NoAnchor
from recast.nn.ensemble.combining import combined, median
from recast.nn.heads.head import Head
from recast.nn.models.model import ForecastModel
from recast.nn.models.reads import EVERYTHING
from recast.options import checked
from recast.types import SAME_LEVEL, Batch, Forecast, Share

Combine = Literal["mean", "median", "weights"]


class CombinedHead(Head):
    """What an ensemble forecasts: the parts that all of its members do. Its one parameter is the point forecast.

    Args:
        heads: Those of the members.
    """

    stochastic: ClassVar[bool] = False

    def __init__(self, heads: Sequence[Head]) -> None:
        super().__init__()
        # As a tuple they are not its own modules.
        self._heads = tuple(heads)
        sampled = [head for head in heads if "samples" in head.parts]
        known = [head.levels for head in heads if "quantiles" in head.parts]
        self._parts = {"mean"}
        if len(sampled) == len(heads):
            self._parts.add("samples")
        elif len(sampled) + len(known) == len(heads):
            self._parts.add("quantiles")
            self.levels = _common(known)

    @property
    def size(self) -> int:
        """One."""
        return 1

    @property
    def parts(self) -> frozenset[str]:
        """Those of all members."""
        return frozenset(self._parts)

    def check_values(self, panel: Panel) -> None:
        """See the base class."""
        for head in self._heads:
            head.check_values(panel)

    def losses(
        self,
        parameters: Float[Tensor, "batch horizon targets parameters"],
        target: Float[Tensor, "batch horizon targets"],
    ) -> Float[Tensor, "batch horizon targets"]:
        """Squared errors."""
        return (parameters[..., 0] - target).square()

    def mean(self, parameters: Float[Tensor, "*shape targets parameters"]) -> Float[Tensor, "*shape targets"]:
        """The parameter."""
        return parameters[..., 0]

    def feedback(
        self,
        parameters: Float[Tensor, "*shape targets parameters"],
        generator: torch.Generator | None,
        share: Share | None = None,
    ) -> Float[Tensor, "*shape targets"]:
        """The parameter."""
        return parameters[..., 0]


def _common(known: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """The levels of any member that lie between the outermost ones of all, where each knows its quantiles."""
    low, high = max(levels[0] for levels in known), min(levels[-1] for levels in known)
    inside = sorted({level for levels in known for level in levels if low <= level <= high})
    # Levels that differ in the last digit are one.
    return tuple(level for place, level in enumerate(inside) if not place or level - inside[place - 1] > SAME_LEVEL)


class Ensemble(ForecastModel):
    """Models of the same data and windows, whose forecasts are combined; see `recast.nn.ensemble.combining`.

    Members may differ in everything else: form, cell, head, anchor. Averaging independent errors makes them smaller
    (Bates & Granger 1969, "The combination of forecasts", Operational Research Quarterly 20); of networks that differ
    in their seed alone it takes away what training left to chance. recast-ensemble makes one of finished runs.

    Args:
        spec: Names and sizes of the data; set by the program.
        members: The models by name, completed by the spec.
        combine: "mean": all count alike. "median": the middle one, number by number, for members that may fail.
            "weights": a weighted mean, by `weights`.

    Attributes:
        weights: Of the members in their order, not negative, with sum 1; equal ones until they are fitted, see
            `recast.training.stacking`.
    """

    reads: ClassVar[frozenset[Feature]] = EVERYTHING
    weights: Tensor

    @checked
    def __init__(
        self,
        *,
        spec: SeriesSpec,
        members: Annotated[dict[str, Callable[..., ForecastModel]], MinLen(1)],
        combine: Combine = "mean",
    ) -> None:
        built = {name: member(spec=spec) for name, member in members.items()}
        super().__init__(spec=spec, head=CombinedHead([member.head for member in built.values()]), anchor=NoAnchor)
        # Each member has its own.
        del self.inputs
        self.members = nn.ModuleDict(built)
        self.combine = combine
        self.register_buffer("weights", torch.full((len(built),), 1 / len(built)))

    @property
    def models(self) -> list[ForecastModel]:
        """The members in their order."""
        return [cast("ForecastModel", member) for member in self.members.values()]

    def forward(self, batch: Batch) -> Float[Tensor, "batch horizon targets parameters"]:
        """The combined point forecast."""
        return self._join(torch.stack([member.point_forecast(batch) for member in self.models])).unsqueeze(-1)

    @property
    def has_line(self) -> bool:
        """Whether a member has one."""
        return any(member.has_line for member in self.models)

    def base(self, batch: Batch) -> Float[Tensor, "batch leads targets"]:
        """The mean of the lines of the members that have one, that line itself where it is the same; zeros without."""
        lines = [member.base(batch) for member in self.models if member.has_line]
        return torch.stack(lines).mean(dim=0) if lines else super().base(batch)

    def _join(self, values: Float[Tensor, "members ..."]) -> Float[Tensor, "..."]:
        if self.combine == "median":
            return median(values)
        return torch.tensordot(self.weights.to(values), values, dims=1)

    def _whole_forecast(self, batch: Batch, samples: int, generator: torch.Generator) -> Forecast:
        """What is joined of the members' forecasts, each with draws of its own."""
        seeds = torch.randint(2**31, (len(self.members),), generator=generator).tolist()
        found = [
            member.forecast(batch, samples=samples, seed=seed) for member, seed in zip(self.models, seeds, strict=True)
        ]
        return combined(found, self._join, weights=self.weights.cpu(), levels=self.head.levels, generator=generator)
