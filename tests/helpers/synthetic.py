"""Small random windows for tests of models, and weights that let every path of a model matter."""

from typing import TypeVar

import torch
from torch import Tensor, nn

from recast.data.panel import Column, columns_of
from recast.data.prepare.storage import Storage
from recast.data.spec import SeriesSpec
from recast.types import Batch, Categories, Observed

LEVELS = ("low", "middle", "high")

Model = TypeVar("Model", bound=nn.Module)


def spec_of(
    *,
    targets: int,
    context: int,
    horizon: int,
    past: int = 0,
    known: int = 0,
    static: int = 0,
    categories: tuple[str, ...] = (),
    periods: int = 0,
    masked: bool = False,
    held: bool = False,
    course: str | None = None,
) -> SeriesSpec:
    """Channels in metres, not scaled; the first period is a day, the others its fractions.

    There is one more column of three levels for each role that `categories` names, and one for each target that is the
    `course` of it.
    """
    names = iter("abcdefghijklmnopqrstuvw")
    columns = [
        Column(next(names), "m", role)
        for role, count in (("target", targets), ("past", past), ("known", known))
        for _ in range(count)
    ]
    if course is not None:
        columns += [Column(f"{course}.{target.name}", "m", "known") for target in columns[:targets]]
    statics = [Column(f"static {number}", "m", "static") for number in range(static)]
    if "past" in categories:
        columns.insert(targets + past, Column("past level", role="past", levels=LEVELS))
    if "known" in categories:
        columns.append(Column("known level", role="known", levels=LEVELS))
    if "static" in categories:
        statics.append(Column("static level", role="static", levels=LEVELS))
    return SeriesSpec(
        columns=tuple(columns),
        offset=(0.0,) * len(columns),
        scale=(1.0,) * len(columns),
        static=tuple(statics),
        static_offset=(0.0,) * len(statics),
        static_scale=(1.0,) * len(statics),
        masked=masked,
        held=held,
        step="h",
        context=context,
        horizon=horizon,
        naive_error=(1.0,) * targets,
        periods=tuple(24.0 / (1 + period) for period in range(periods)),
    )


def batch_of(spec: SeriesSpec, batch: int = 3, context: int | None = None) -> Batch:
    """Normal float64 numbers from torch's generator, random levels, and masks with a fifth of the values missing.

    The last step of the context is always observed.
    """
    context = context or spec.context

    def numbers(*shape: int) -> Tensor:
        return torch.randn(batch, *shape, dtype=torch.float64)

    def mask(*shape: int) -> Tensor:
        return torch.rand(batch, *shape) < 0.8

    def levels(*shape: int) -> Tensor:
        return torch.randint(len(LEVELS) + 1, (batch, *shape))

    past, time = len(spec.reals("past")), context + spec.horizon
    statics = [column for column in spec.static_inputs if not column.is_category]
    made = Batch(
        history=numbers(context, spec.targets),
        past=numbers(context, past),
        target=numbers(spec.horizon, spec.targets),
        known=numbers(time, spec.known_reals),
        static=numbers(len(statics)),
        start=torch.arange(batch),
        item=torch.zeros(batch, dtype=torch.int64),
    )
    counts = [len(spec.categories(role)) for role in ("past", "known", "static")]
    if any(counts):
        made = made._replace(
            categories=Categories(
                past=levels(context, counts[0]), known=levels(time, counts[1]), static=levels(counts[2])
            )
        )
    if spec.masked:
        observed = Observed(
            history=mask(context, spec.targets),
            past=mask(context, past),
            known=mask(time, spec.known_reals),
            target=mask(spec.horizon, spec.targets),
        )
        observed.history[:, -1] = True
        made = made._replace(observed=observed)
    return made


def sequences_of(values: Tensor, lengths: Tensor, label: Tensor) -> Batch:
    """A batch of sequences side by side."""
    count, steps, _ = values.shape
    return Batch(
        history=values.new_empty(count, steps, 0),
        past=values,
        known=values.new_empty(count, steps, 0),
        static=values.new_empty(count, 0),
        target=values.new_empty(count, 0, 0),
        start=torch.arange(count),
        item=torch.arange(count),
        lengths=lengths,
        label=label,
    )


def context_inputs(batch: Batch) -> Tensor:
    """What models read at each step of the context, where all is real and observed and nothing static."""
    return torch.cat([batch.history, batch.past, batch.known_before], dim=-1)


def with_context(batch: Batch, context: Tensor, ahead: Tensor | None = None) -> Batch:
    """The batch with another context, the inverse of `context_inputs`, and perhaps other inputs known ahead."""
    sizes = [part.shape[-1] for part in (batch.history, batch.past, batch.known)]
    history, past, before = context.split(sizes, dim=-1)
    ahead = batch.known_ahead if ahead is None else ahead
    return batch._replace(history=history, past=past, known=torch.cat([before, ahead], dim=1))


def with_leaves(batch: Batch) -> tuple[Batch, tuple[Tensor, Tensor, Tensor]]:
    """The batch made of three leaves that gradients may be asked of: its context, its truth, its inputs known ahead."""
    parts = (context_inputs(batch), batch.target, batch.known_ahead)
    context, target, ahead = (part.detach().clone().requires_grad_() for part in parts)
    return with_context(batch, context, ahead)._replace(target=target), (context, target, ahead)


def storage_of(values: Tensor, *, targets: int = 1, past: int = 0, periods: int = 0) -> Storage:
    """The storage of one piece whose scaled rows are `values`; the last columns are those of the periods."""
    names = "abcdefgh"[: targets + past]
    spec = SeriesSpec(
        columns=columns_of(targets=names[:targets], past=names[targets:]),
        offset=(0.0,) * len(names),
        scale=(1.0,) * len(names),
        step="h",
        context=1,
        horizon=1,
        naive_error=(1.0,) * targets,
        periods=(24.0,) * periods,
    )
    return Storage(
        spec=spec,
        values=torch.cat([values, torch.zeros_like(values[:1])]),
        starts=torch.zeros(1, dtype=torch.int64),
        lengths=torch.tensor([len(values)]),
        items=torch.zeros(1, dtype=torch.int64),
        static=values.new_empty(1, 0),
        static_categories=torch.empty(1, 0, dtype=torch.int64),
    )


def with_weights(model: Model) -> Model:
    """The model in float64 and evaluation mode, all of its weights uniform in (-0.7, 0.7)."""
    model = model.double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.uniform_(-0.7, 0.7)
    return model
