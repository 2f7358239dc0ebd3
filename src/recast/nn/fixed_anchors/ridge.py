"""Ridge regression from the context to the horizon, solved in closed form."""

from collections.abc import Iterable, Sequence
from functools import partial, reduce
from itertools import product
from operator import add
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from recast.data.spec import SeriesSpec
from recast.errors import ConfigurationError
from recast.nn.fixed_anchors.filling import interpolated
from recast.nn.fixed_anchors.fixed_anchor import FixedAnchor
from recast.nn.fixed_anchors.known import KnownCourse
from recast.nn.least_squares import PENALTIES, Map, Moments, Penalties, left_out_errors, middle, ridge
from recast.options import PositiveInt, checked
from recast.types import Batch

ROLES = ("past", "known")


class RidgeAnchor(FixedAnchor):
    """Ridge regression from the context to the horizon; see `recast.scoring.baselines.ridge.Ridge`.

    With x the last `window` values of a target (or, without `levels`, their differences from the last one), z the other
    inputs, both less their means over the N training windows,

        base = y_T + mean(change) + x W + z V,
        [W; V] minimises the sum of squares over the training windows, plus penalty s^2 |W|^2 + inputs_penalty |D V|^2

    with s^2 the mean variance of x and D the standard deviations of z, so that penalties have no unit. With a `course`,
    what is known ahead of the targets is subtracted from context and horizon first, and added to the forecast: ridge on
    what is left by the tide.

    Values that were not observed are interpolated linearly within the context, and within the window for the truth that
    it is solved on.

    Args:
        spec: Names and sizes of the data; given by the model.
        leads: Number of leads; given by the model.
        window: Last values that it reads; None: the context. [steps]
        penalty: Values of the penalty; of several the one is taken with the smallest squared error when each of five
            blocks of the training windows is forecast by a map solved on the other ones, and the map is then solved on
            all. On a training part that is too short for blocks it is the middle one.
        shared: Whether one map from a target's past to its own future serves all targets. Otherwise one maps the past
            of all to the future of all.
        levels: Whether it reads values. Otherwise differences from the last one, so that the forecast moves with the
            level: better where a series drifts.
        inputs: Whether past and known inputs are read, where the data have some; categories are one-hot.
        inputs_every: Steps between those at which they are read, forward and backward from the origin. [steps]
        inputs_reach: How far back from the origin they are read; None: as far as `window`. [steps]
        inputs_penalty: In place of `penalty` for them, chosen alike; None: the same.
        course: Name of a feature whose columns `<course>.<target>` are a course of the targets known ahead: "tide" with
            data/features=fitted_tide; None: none.

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range, or the data have no such columns; when
            solved, if a penalty is too small for inputs that depend on each other.
    """

    weight: Tensor
    constant: Tensor
    inputs_weight: Tensor
    chosen: Tensor

    @checked
    def __init__(
        self,
        *,
        spec: SeriesSpec,
        leads: PositiveInt,
        window: PositiveInt | None = None,
        penalty: Penalties = PENALTIES,
        shared: bool = True,
        levels: bool = True,
        inputs: bool = True,
        inputs_every: PositiveInt = 1,
        inputs_reach: PositiveInt | None = None,
        inputs_penalty: Penalties | None = None,
        course: str | None = None,
    ) -> None:
        window = window or spec.context
        back = inputs_reach or window
        super().__init__(spec=spec, leads=leads, reach=max(window, back))
        self.window = window
        self.penalty = penalty
        self.shared = shared
        self.levels = levels
        self.inputs_penalty = inputs_penalty
        self.course = None if course is None else KnownCourse("RidgeAnchor", spec, course)
        self._past = list(range(0, back, inputs_every))
        self._ahead = list(range(inputs_every, leads + 1, inputs_every))
        own = set() if self.course is None else set(self.course.places)
        self._known = [place for place in range(spec.known_reals) if place not in own]
        self._levels = {role: [len(column.levels or ()) for column in spec.categories(role)] for role in ROLES}
        sizes = [len(spec.reals("past")), len(self._known)]
        past, known = (size + sum(self._levels[role]) for size, role in zip(sizes, ROLES, strict=True))
        size = past * len(self._past) + known * (len(self._past) + len(self._ahead))
        self.size = size if inputs else 0
        channels = 1 if shared else spec.targets
        self.register_buffer("weight", torch.zeros((window if levels else window - 1) * channels, leads * channels))
        self.register_buffer("constant", torch.zeros(leads * channels))
        self.register_buffer("inputs_weight", torch.zeros(self.size, leads * channels))
        self.register_buffer("chosen", torch.zeros(2))

    @property
    def interpolates(self) -> bool:
        """True."""
        return True

    @property
    def reads_inputs(self) -> bool:
        """Whether the data have inputs that it reads, or it follows a course."""
        return self.size > 0 or self.course is not None

    @property
    def facts(self) -> dict[str, Any]:
        """The penalties."""
        penalty, inputs_penalty = (float(f"{value:.6g}") for value in self.chosen.tolist())
        return {"penalty": penalty} | ({"inputs_penalty": inputs_penalty} if self.size else {})

    def forward(self, recent: Float[Tensor, "*batch reach targets"]) -> Float[Tensor, "*batch leads targets"]:
        """What is linear in the targets, and the constant."""
        constant = self._apart(self.constant.expand(*recent.shape[:-2], self._maps, -1))
        return self._linear(recent) + constant

    def beside(self, batch: Batch) -> Float[Tensor, "batch leads targets"]:
        """What is linear in the inputs, and the course less what the map makes of its past."""
        found = super().beside(batch)
        if self.size:
            found = found + self._apart(
                (self._inputs(batch) @ self.inputs_weight).unsqueeze(1).expand(-1, self._maps, -1)
            )
        if self.course is not None:
            course, past = self.course(batch), slice(batch.context - self.reach, batch.context)
            seen = course[:, past] if batch.observed is None else _filled(course, batch.observed.history, past)
            found = found + course[:, batch.context : batch.context + self.leads] - self._linear(seen)
        return found

    @torch.no_grad()
    def solve(self, blocks: Sequence[Iterable[Batch]], rest: Iterable[Batch]) -> None:
        """See the base class.

        Raises:
            ConfigurationError: if there is no training window, or the penalty is too small.
        """
        parts = [moments for block in blocks if (moments := self._moments(block)) is not None]
        remaining = self._moments(rest)
        if not parts and remaining is None:
            raise ConfigurationError("RidgeAnchor: no training window to solve on; use a longer training part")
        candidates = list(product(self.penalty, self.inputs_penalty or [None]))
        best = middle(self.penalty), middle(self.inputs_penalty) if self.inputs_penalty else None
        if len(candidates) > 1 and len(parts) > 1:
            fits = [partial(self._solution, penalties=penalties) for penalties in candidates]
            errors = left_out_errors(parts, fits)
            best = candidates[errors.index(min(errors))]
        weight, constant = self._solution(reduce(add, parts if remaining is None else [*parts, remaining]), best)
        self.weight.copy_(weight[: len(self.weight)])
        self.inputs_weight.copy_(weight[len(self.weight) :])
        self.constant.copy_(constant)
        self.chosen.copy_(torch.tensor([best[0], best[0] if best[1] is None else best[1]]))

    def _solution(self, moments: Moments, penalties: tuple[float, float | None]) -> Map:
        return ridge("RidgeAnchor", moments, len(self.weight), *penalties)

    def _moments(self, batches: Iterable[Batch]) -> Moments | None:
        """Those of what it reads and of the changes from the last value, over all windows; None without any."""
        found: Moments | None = None
        for batch in batches:
            exact = batch.to_precision(torch.float64)
            recent, truth = self._seen(exact)
            x = [self._design(recent)]
            if self.size:
                x.append(self._inputs(exact).unsqueeze(1).expand(-1, self._maps, -1))
            y = self._together(truth - recent[:, -1:])
            some = Moments.of(torch.cat(x, dim=-1).flatten(0, 1), y.flatten(0, 1))
            found = some if found is None else found + some
        return found

    def _seen(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The last values of the context and the truth, less the course, with what was not observed filled in."""
        values = torch.cat([batch.history, batch.target], dim=1)
        observed = None
        if batch.observed is not None:
            observed = torch.cat([batch.observed.history, batch.observed.target], dim=1)
        if self.course is not None:
            values = values - self.course(batch)
        whole, past = values, values[:, : batch.context]
        if observed is not None:
            whole, past = interpolated(values, observed), interpolated(past, observed[:, : batch.context])
        return past[:, -self.reach :], whole[:, batch.context : batch.context + self.leads]

    @property
    def _maps(self) -> int:
        """Forecasts of a window that one map gives."""
        return self.targets if self.shared else 1

    def _together(self, values: Float[Tensor, "*batch steps targets"]) -> Float[Tensor, "*batch maps numbers"]:
        """What a map reads or gives: a shared one takes each target for a window of its own."""
        return values.transpose(-1, -2) if self.shared else values.flatten(-2).unsqueeze(-2)

    def _apart(self, values: Float[Tensor, "*batch maps numbers"]) -> Float[Tensor, "*batch leads targets"]:
        """The inverse, for forecasts."""
        return values.transpose(-1, -2) if self.shared else values.squeeze(-2).unflatten(-1, (self.leads, self.targets))

    def _design(self, recent: Float[Tensor, "*batch reach targets"]) -> Float[Tensor, "*batch maps numbers"]:
        own = recent[..., -self.window :, :]
        return self._together(own if self.levels else own[..., :-1, :] - own[..., -1:, :])

    def _linear(self, recent: Float[Tensor, "*batch reach targets"]) -> Float[Tensor, "*batch leads targets"]:
        return recent[..., -1:, :] + self._apart(self._design(recent) @ self.weight)

    def _inputs(self, batch: Batch) -> Float[Tensor, "batch inputs"]:
        """The inputs at the steps that are read, those of a step side by side."""
        origin = batch.context - 1
        past = [origin - step for step in reversed(self._past)]
        known = [*past, *(origin + step for step in self._ahead)]
        observed, found = batch.observed, []
        for role, steps, values, mask in (
            ("past", past, batch.past, None if observed is None else observed.past),
            (
                "known",
                known,
                batch.known[..., self._known],
                None if observed is None else observed.known[..., self._known],
            ),
        ):
            seen = values if mask is None else interpolated(values, mask)
            levels = [] if batch.categories is None else getattr(batch.categories, role).unbind(-1)
            numbers = [seen[:, steps]]
            for place, count in zip(levels, self._levels[role], strict=True):
                # One level more stands for a category that was not observed.
                numbers.append(functional.one_hot(place[:, steps], count + 1)[..., :count].to(values.dtype))
            found.append(torch.cat(numbers, dim=-1).flatten(1))
        return torch.cat(found, dim=-1)


def _filled(course: Tensor, observed: Tensor, past: slice) -> Tensor:
    return interpolated(course[:, : observed.shape[1]], observed)[:, past]
