"""Splits a batch with several forecast origins in each window into one window per origin."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from recast.errors import ConfigurationError
from recast.nn.models.history import held_history
from recast.types import Batch, Categories, Observed, Share


def seen_from_origins(batch: Batch, reach: int) -> Batch:
    """A window for each origin of each window, window by window: what a forecast needs besides states.

    Args:
        batch: A training batch.
        reach: Steps of the context kept before each origin. [steps]

    Raises:
        ConfigurationError: if an origin has fewer steps before it.
    """
    if batch.origins is None:
        return batch
    if batch.origins[0] < reach:
        raise ConfigurationError(
            f"the anchor reads the last {reach} steps, but the first forecast origin lies after {batch.origins[0]}; "
            "give it fewer, or a longer data.regime.chunk with fewer data.regime.origins"
        )
    horizon = batch.target.shape[1]
    at = torch.tensor(batch.origins, device=batch.start.device)

    def before(values: Tensor) -> Tensor:
        return _from(values, at - reach, reach)

    def around(values: Tensor) -> Tensor:
        return _from(values, at - reach, reach + horizon)

    def after(past: Tensor, future: Tensor) -> Tensor:
        return _from(torch.cat([past, future], dim=1), at, horizon)

    def repeated(values: Tensor) -> Tensor:
        return values.repeat_interleave(len(at), dim=0)

    share, observed, categories = batch.share, batch.observed, batch.categories
    return Batch(
        # Observations before the kept part still count.
        history=before(held_history(batch)),
        past=before(batch.past),
        known=around(batch.known),
        static=repeated(batch.static),
        target=after(batch.history, batch.target),
        start=(batch.start.unsqueeze(1) + at - reach).flatten(),
        item=repeated(batch.item),
        observed=observed
        and Observed(
            history=before(observed.history.cummax(dim=1).values),
            past=before(observed.past),
            known=around(observed.known),
            target=after(observed.history, observed.target),
        ),
        categories=categories
        and Categories(
            past=before(categories.past), known=around(categories.known), static=repeated(categories.static)
        ),
        share=share and Share(share.total * len(at), share.first * len(at), share.weight),
        scaling=batch.scaling and batch.scaling.take(repeated(torch.arange(batch.start.shape[0]))),
    )


def _from(values: Tensor, first: Tensor, length: int) -> Tensor:
    """`length` steps from each of the steps `first`, window by window."""
    return values.unfold(1, length, 1)[:, first].transpose(-1, -2).flatten(0, 1)


def rolling(values: Float[Tensor, "batch time channels"], size: int) -> Float[Tensor, "batch time size channels"]:
    """The last `size` values up to each step, oldest first; where there are fewer, padded with the first value.

    Apart from that padding it is a view.
    """
    if size > 1:
        values = torch.cat([values[:, :1].expand(-1, size - 1, -1), values], dim=1)
    return values.unfold(1, size, 1).transpose(-1, -2)


def seen_from_every_step(batch: Batch, reach: int) -> Batch:
    """A window for each step of the context, window by window, as `seen_from_origins`.

    Steps before the first repeat it.

    Args:
        batch: Windows.
        reach: Steps of the context kept before each origin. [steps]
    """
    lacking = reach - 1

    def led(values: Tensor) -> Tensor:
        return torch.cat([values[:, :1].expand(-1, lacking, *(-1,) * (values.dim() - 2)), values], dim=1)

    def each(parts: Observed | Categories | None, names: tuple[str, ...]) -> Any:
        return parts and parts._replace(**{name: led(getattr(parts, name)) for name in names})

    context = lacking + batch.context
    return seen_from_origins(
        batch._replace(
            history=led(batch.history),
            past=led(batch.past),
            known=led(batch.known),
            start=batch.start - lacking,
            observed=each(batch.observed, ("history", "past", "known")),
            categories=each(batch.categories, ("past", "known")),
            origins=tuple(range(reach, context + 1)),
        ),
        reach,
    )
