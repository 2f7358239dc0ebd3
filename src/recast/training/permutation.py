"""What a trained model gains by each of its inputs: how its error grows when that one comes from another window."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from recast.data.panel import Role
from recast.data.spec import SeriesSpec
from recast.scoring.metrics.lead_metric import LeadMetric
from recast.training.task import ForecastTask
from recast.types import Batch

Swap = Callable[[Batch, Batch], Batch]
WindowsAt = Callable[[Int[Tensor, " windows"]], Batch]


@dataclass(frozen=True)
class Input:
    """Something that a model reads, and how to take it from another batch.

    Args:
        name: Name of the column, or the period of a sine and cosine.
        role: Its role; "target": the model's own past.
        swapped: The first batch with this input, its mask included, of the second.
    """

    name: str
    role: Role
    swapped: Swap


def inputs_of(spec: SeriesSpec) -> list[Input]:
    """The inputs of a model: the past of each target, and each column of the other roles."""
    found = [Input(name, "target", _swap("history", [place])) for place, name in enumerate(spec.target_names)]
    found += [Input(column.name, "past", _swap("past", [place])) for place, column in enumerate(spec.reals("past"))]
    reals = spec.reals("known")
    found += [Input(column.name, "known", _swap("known", [place])) for place, column in enumerate(reals)]
    for place, period in enumerate(spec.periods):
        first = len(reals) + 2 * place
        found.append(Input(f"period of {period:g} h", "known", _swap("known", [first, first + 1])))
    statics = [column for column in spec.static_inputs if not column.is_category]
    found += [Input(column.name, "static", _swap("static", [place])) for place, column in enumerate(statics)]
    for role in ("past", "known", "static"):
        for place, column in enumerate(spec.categories(role)):
            found.append(Input(column.name, role, _swap_category(role, place)))
    return found


def _taken(one: Tensor, other: Tensor, places: Sequence[int]) -> Tensor:
    """`one` with some places of its last axis from `other`."""
    result = one.clone()
    result[..., list(places)] = other[..., list(places)]
    return result


def _swap(part: str, places: Sequence[int]) -> Swap:
    """Takes columns of a part of the batch, and their masks where it has some."""

    def swapped(one: Batch, other: Batch) -> Batch:
        observed = one.observed
        if observed is not None and other.observed is not None and part in observed._fields:
            mask = _taken(getattr(observed, part), getattr(other.observed, part), places)
            observed = observed._replace(**{part: mask})
        return one._replace(**{part: _taken(getattr(one, part), getattr(other, part), places)}, observed=observed)

    return swapped


def _swap_category(role: str, place: int) -> Swap:
    def swapped(one: Batch, other: Batch) -> Batch:
        if one.categories is None or other.categories is None:
            return one
        taken = _taken(getattr(one.categories, role), getattr(other.categories, role), [place])
        return one._replace(categories=one.categories._replace(**{role: taken}))

    return swapped


def permuted_errors(
    task: ForecastTask,
    metric: LeadMetric,
    windows_at: WindowsAt,
    starts: Int[Tensor, " windows"],
    *,
    inputs: Sequence[Input],
    repeats: int,
    samples: int,
    batch_size: int,
) -> tuple[float, list[list[float]]]:
    """The error of a model, and that with one input at a time from windows drawn at random.

    An input keeps its course within a window, so that the model reads what does occur, at the wrong time (Breiman
    2001, "Random forests", Machine Learning 45, section 10; for any model Fisher, Rudin & Dominici 2019, JMLR 20). The
    draws are the same for all inputs. Inputs that carry the same information stand in for each other: each alone then
    seems of little use.

    Args:
        task: The trained model.
        metric: The error; it is reset.
        windows_at: The windows that begin at rows.
        starts: First rows of the windows.
        inputs: Those to permute.
        repeats: Permutations of each. [times]
        samples: Trajectories of a stochastic head.
        batch_size: Windows at a time.

    Returns:
        The error, and for each input that of each permutation.
    """

    def error(swap: Swap | None, order: Tensor) -> float:
        metric.reset()
        for number, (rows, others) in enumerate(_batches(starts, order, batch_size)):
            batch = windows_at(rows)
            read = batch if swap is None else swap(batch, windows_at(others))
            forecast = task.forecast(read, samples=samples, seed=number)
            metric.update(forecast, task.truth_of(batch), batch.target_observed, batch.sizes)
        return float(metric.compute())

    task.eval()
    draws = [torch.randperm(len(starts), generator=torch.Generator().manual_seed(seed)) for seed in range(repeats)]
    with torch.inference_mode():
        whole = error(None, torch.arange(len(starts)))
        return whole, [[error(one.swapped, order) for order in draws] for one in inputs]


def _batches(starts: Tensor, order: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    yield from zip(starts.split(size), starts[order].split(size), strict=True)
