"""Anchors on a course of the targets that is known ahead, such as the tide."""

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from recast.data.spec import SeriesSpec
from recast.errors import ConfigurationError
from recast.nn.fixed_anchors.fixed_anchor import FixedAnchor
from recast.options import PositiveInt, checked
from recast.types import Batch


class KnownCourse:
    """The columns of a feature that are a course of each target known ahead: `<feature>.<target>`, as of a fitted tide.

    Args:
        owner: Who reads them, for messages.
        spec: The data's description.
        feature: Name of the feature among `data.features`.

    Attributes:
        places: Places of the columns among the real inputs known ahead.

    Raises:
        ConfigurationError: if the data have no such columns, or the targets are scaled item by item or window by
            window.
    """

    def __init__(self, owner: str, spec: SeriesSpec, feature: str) -> None:
        known = [column.name for column in spec.reals("known")]
        wanted = [f"{feature}.{target}" for target in spec.target_names]
        missing = [name for name in wanted if name not in known]
        if missing:
            raise ConfigurationError(
                f"{owner}: course={feature}: the data have no column {missing[0]} known ahead; add a feature of that "
                "name that computes one for each target, as data/features=fitted_tide does for course=tide"
            )
        if spec.local is not None:
            raise ConfigurationError(
                f"{owner}: course={feature}: the targets are scaled item by item or window by window, a course for all "
                "alike; use data/scaler=standard data.scaler.by=together, or another anchor"
            )
        self.places = [known.index(name) for name in wanted]
        numbers = zip(spec.names, spec.offset, spec.scale, strict=True)
        sizes = {name: (offset, scale) for name, offset, scale in numbers}
        self._factor, self._shift = [], []
        for target, name in zip(spec.target_names, wanted, strict=True):
            (offset, scale), (own_offset, own_scale) = sizes[target], sizes[name]
            self._factor.append(own_scale / scale)
            self._shift.append((own_offset - offset) / scale)

    def __call__(self, batch: Batch) -> Float[Tensor, "batch time targets"]:
        """The course over context and horizon, in the scale of the targets."""
        known = batch.known[..., self.places]
        return known * known.new_tensor(self._factor) + known.new_tensor(self._shift)


class KnownAnchor(FixedAnchor):
    """A course that is known ahead, such as the tide, and the last departure from it.

    With c_t the course and y_T the last value,

        base_h = c_{T+h} + (y_T - c_T)

    or c_{T+h} alone without `hold`. For tides it is the harmonic forecast with the last residual (surge) held.

    Args:
        spec: Names and sizes of the data; given by the model.
        leads: Number of leads; given by the model.
        course: Name of the feature whose columns `<course>.<target>` are the course: "tide" with
            data/features=fitted_tide.
        hold: Whether the last departure is held.

    Raises:
        ConfigurationError: if an option has the wrong type, or the data have no such columns.
    """

    @checked
    def __init__(self, *, spec: SeriesSpec, leads: PositiveInt, course: str = "tide", hold: bool = True) -> None:
        super().__init__(spec=spec, leads=leads, reach=1)
        self.course = KnownCourse("KnownAnchor", spec, course)
        self.hold = hold

    @property
    def reads_inputs(self) -> bool:
        """True: the course."""
        return True

    def forward(self, recent: Float[Tensor, "*batch reach targets"]) -> Float[Tensor, "*batch leads targets"]:
        """The last value, or nothing."""
        last = recent[..., -1:, :].expand(*recent.shape[:-2], self.leads, self.targets)
        return last if self.hold else torch.zeros_like(last)

    def beside(self, batch: Batch) -> Float[Tensor, "batch leads targets"]:
        """The course, or its change from the origin."""
        course = self.course(batch)
        ahead = course[:, batch.context : batch.context + self.leads]
        return ahead - course[:, batch.context - 1 : batch.context] if self.hold else ahead

    def solve(self, blocks: Sequence[Iterable[Batch]], rest: Iterable[Batch]) -> None:
        """There is nothing to solve: the course was fitted with the data."""

    @property
    def facts(self) -> dict[str, Any]:
        """Nothing was chosen."""
        return {}
