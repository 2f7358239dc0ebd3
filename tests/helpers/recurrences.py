"""Random open and closed loops, and what every implementation must do with them: the same as `Plain`."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

import torch
from hypothesis import strategies as st
from torch import Tensor, nn

from recast.nn.cells.cell import Cell
from recast.nn.cells.gru import GRU
from recast.nn.cells.lstm import LSTM
from recast.nn.cells.rnn import RNN
from recast.nn.recurrence.implementation import Implementation
from recast.nn.recurrence.plain import Plain
from recast.nn.recurrence.request import ClosedLoop, Kind, OpenLoop, Readout

CELLS: dict[Kind, type[Cell[Any]]] = {"rnn": RNN, "gru": GRU, "lstm": LSTM}
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}
"""Greatest difference, relative to the largest entry of a tensor."""

Start = Literal["zero", "learnt", "given"]


@dataclass(frozen=True)
class OpenCase:
    """An open loop: its sizes, and the seed of its numbers; each `request` has numbers of its own, always the same."""

    kind: Kind = "gru"
    hidden: tuple[int, ...] = (3,)
    inputs: int = 1
    batch: int = 2
    time: int = 4
    at: tuple[int, ...] = (4,)
    outputs_from: int = 0
    start: Start = "zero"
    dropout: bool = False
    inputs_learn: bool = False
    dtype: torch.dtype = torch.float64
    seed: int = 0
    device: str = "cpu"

    def request(self) -> OpenLoop:
        torch.manual_seed(self.seed)
        layers = _layers(self.kind, self.inputs, self.hidden, learnt=self.start == "learnt")
        inputs = torch.randn(self.batch, self.time, self.inputs, dtype=self.dtype)
        for layer in layers:
            layer.to(inputs)
        states = [_random_state(layer, inputs) if self.start == "given" else None for layer in layers]
        dropout = _factors(self.hidden, inputs) if self.dropout else []
        return OpenLoop(
            layers=[layer.to(self.device) for layer in layers],
            inputs=inputs.to(self.device).requires_grad_(self.inputs_learn),
            states=[_moved(state, self.device) for state in states],
            dropout=[factors.to(self.device) for factors in dropout],
            at=self.at,
            outputs_from=self.outputs_from,
        )


@dataclass(frozen=True)
class ClosedCase:
    """A closed loop: its sizes, and the seed of its numbers; each `request` has numbers of its own, always the same.

    `teaching` is the probability that a truth is fed; None: no mask.
    """

    kind: Kind = "gru"
    hidden: tuple[int, ...] = (3,)
    targets: int = 1
    known: int = 0
    batch: int = 2
    horizon: int = 4
    dropout: bool = False
    teaching: float | None = None
    detach: bool = False
    residual: bool = False
    inputs_learn: bool = False
    dtype: torch.dtype = torch.float64
    seed: int = 0
    device: str = "cpu"

    def request(self) -> ClosedLoop:
        torch.manual_seed(self.seed)
        layers = _layers(self.kind, self.targets + self.known, self.hidden, learnt=False)
        numbers = partial(torch.randn, dtype=self.dtype)
        first = numbers(self.batch, self.targets)
        linear = nn.Linear(self.hidden[-1], self.targets)
        for module in (*layers, linear):
            module.to(first)
        known = numbers(self.batch, self.horizon, self.known)
        base = numbers(self.batch, self.horizon, self.targets)
        truth = numbers(self.batch, self.horizon, self.targets)
        states = [_random_state(layer, first) for layer in layers]
        dropout = _factors(self.hidden, known) if self.dropout else []
        # Masks come with and without the last lead, which feeds none.
        leads = self.horizon - self.seed % 2
        mask = None if self.teaching is None else torch.rand(self.batch, leads) < self.teaching
        linear.to(self.device)
        return ClosedLoop(
            layers=[layer.to(self.device) for layer in layers],
            states=[_moved(state, self.device) for state in states],
            readout=linear_readout(linear, residual=self.residual),
            first=first.to(self.device).requires_grad_(self.inputs_learn),
            known=known.to(self.device).requires_grad_(self.inputs_learn),
            base=base.to(self.device).requires_grad_(self.inputs_learn),
            dropout=[factors.to(self.device) for factors in dropout],
            truth=None if mask is None else truth.to(self.device).requires_grad_(self.inputs_learn),
            mask=None if mask is None else mask.to(self.device),
            detach=self.detach,
        )


def linear_readout(linear: nn.Linear, *, residual: bool = False) -> Readout:
    return Readout(
        parameters=lambda output, base, fed: (linear(output) + base + (fed[-1] if residual else 0)).unsqueeze(-1),
        value=lambda parameters: parameters.squeeze(-1),
        weight=linear.weight,
        bias=linear.bias,
        linear=True,
        residual=residual,
    )


def _layers(kind: Kind, inputs: int, hidden: tuple[int, ...], *, learnt: bool) -> list[Cell[Any]]:
    layers = []
    for below, size in zip((inputs, *hidden), hidden, strict=False):
        layers.append(CELLS[kind](input_size=below, hidden_size=size, learn_initial_state=learnt))
        if learnt:
            # They start from zeros, where a gradient might be lost unseen.
            for start in layers[-1].initial:
                nn.init.normal_(start)
    return layers


def _random_state(layer: Cell[Any], like: Tensor) -> Any:
    return type(state := layer.initial_state(len(like), like))(*(torch.randn_like(part) for part in state))


def _moved(state: Any, device: str) -> Any:
    return None if state is None else type(state)(*(part.to(device).requires_grad_() for part in state))


def _factors(hidden: tuple[int, ...], like: Tensor) -> list[Tensor]:
    """As dropout of a third between the layers gives them."""
    shape = like.shape[:2]
    return [torch.bernoulli(like.new_full((*shape, size), 2 / 3)) * 1.5 for size in hidden[:-1]]


kinds = st.sampled_from(list(CELLS))
precisions = st.sampled_from(list(TOLERANCE))
seeds = st.integers(0, 2**32 - 1)


@st.composite
def open_cases(
    draw: Callable[..., Any], most: int = 40, dtypes: st.SearchStrategy[torch.dtype] = precisions
) -> OpenCase:
    """Open loops of at most `most` units and sequences, and half as many steps again."""
    time = draw(st.integers(1, most + most // 2))
    at = draw(st.sets(st.integers(1, time), min_size=1, max_size=4))
    return OpenCase(
        kind=draw(kinds),
        hidden=tuple(draw(st.lists(st.integers(1, most), min_size=1, max_size=3))),
        inputs=draw(st.integers(1, 5)),
        batch=draw(st.integers(1, most)),
        time=time,
        at=tuple(sorted(at)),
        outputs_from=draw(st.sampled_from([0, time]) | st.integers(0, time)),
        start=draw(st.sampled_from(["zero", "learnt", "given"])),
        dropout=draw(st.booleans()),
        inputs_learn=draw(st.booleans()),
        dtype=draw(dtypes),
        seed=draw(seeds),
    )


@st.composite
def closed_cases(
    draw: Callable[..., Any], most: int = 40, dtypes: st.SearchStrategy[torch.dtype] = precisions
) -> ClosedCase:
    """Closed loops of at most `most` units and sequences, and half as many leads again."""
    return ClosedCase(
        kind=draw(kinds),
        hidden=tuple(draw(st.lists(st.integers(1, most), min_size=1, max_size=3))),
        targets=draw(st.integers(1, 3)),
        known=draw(st.integers(0, 3)),
        batch=draw(st.integers(1, most)),
        horizon=draw(st.integers(1, most + most // 2)),
        dropout=draw(st.booleans()),
        teaching=draw(st.sampled_from([None, 0.0, 0.5, 1.0])),
        detach=draw(st.booleans()),
        residual=draw(st.booleans()),
        inputs_learn=draw(st.booleans()),
        dtype=draw(dtypes),
        seed=draw(seeds),
    )


def results(implementation: Implementation, request: OpenLoop | ClosedLoop) -> list[Tensor]:
    """All that an implementation gives."""
    if isinstance(request, ClosedLoop):
        return list(implementation.decode(request))
    unrolled = implementation.sequence(request)
    for layer, state in zip(request.layers, unrolled.states, strict=True):
        assert type(state) is layer.state_type
    return [unrolled.outputs, *(part for state in unrolled.states for part in state)]


def leaves(request: OpenLoop | ClosedLoop) -> dict[str, Tensor]:
    """What a request has that gradients are wanted of, by name."""
    found = {
        f"layers.{number}.{name}": parameter
        for number, layer in enumerate(request.layers)
        for name, parameter in layer.named_parameters()
    }
    for number, state in enumerate(request.states):
        for name, part in {} if state is None else state._asdict().items():
            found[f"states.{number}.{name}"] = part
    if isinstance(request, OpenLoop):
        found["inputs"] = request.inputs
    else:
        found |= {"readout.weight": request.readout.weight, "readout.bias": request.readout.bias}
        found |= {"first": request.first, "known": request.known, "base": request.base}
        found |= {} if request.truth is None else {"truth": request.truth}
    return {name: leaf for name, leaf in found.items() if leaf.requires_grad}


@dataclass
class Ran:
    """What an implementation gave, and the gradients of a random linear function of it."""

    values: list[Tensor]
    gradients: dict[str, Tensor] = field(default_factory=dict)


def run(implementation: Implementation, request: OpenLoop | ClosedLoop) -> Ran:
    """Forward, and back."""
    values = results(implementation, request)
    generator = torch.Generator().manual_seed(0)
    # The same numbers in both precisions.
    cotangents = [torch.randn(part.shape, generator=generator, dtype=torch.float64).to(part) for part in values]
    total = sum((cotangent * part).sum() for cotangent, part in zip(cotangents, values, strict=True))
    wanted = leaves(request)
    found = torch.autograd.grad(total, list(wanted.values()), allow_unused=True)
    gradients = {
        name: torch.zeros_like(leaf) if gradient is None else gradient
        for (name, leaf), gradient in zip(wanted.items(), found, strict=True)
    }
    return Ran([part.detach() for part in values], gradients)


def squares(implementation: Implementation, request: OpenLoop | ClosedLoop) -> Tensor:
    """A loss of all results."""
    return torch.stack([part.square().sum() for part in results(implementation, request)]).sum()


def assert_close(
    found: Tensor, expected: Tensor, tolerance: float, what: str, least: float = 0, slack: float = 0
) -> None:
    """They differ by at most `tolerance` of the largest entry, or of `least` where that is larger; or by `slack`."""
    assert found.shape == expected.shape, what
    assert found.dtype == expected.dtype, what
    if expected.numel():
        difference, largest = (found - expected).abs().max(), expected.abs().max()
        assert difference <= max(tolerance * max(largest, least), slack), f"{what}: {difference} beside {largest}"


def in_double(request: OpenLoop | ClosedLoop) -> OpenLoop | ClosedLoop:
    """The same numbers in float64; of a closed loop with `linear_readout`."""

    def doubled(part: Tensor) -> Tensor:
        return part.detach().double().requires_grad_(part.requires_grad)

    common: dict[str, Any] = {
        "layers": [deepcopy(layer).double() for layer in request.layers],
        "states": [None if state is None else type(state)(*map(doubled, state)) for state in request.states],
        "dropout": [factors.double() for factors in request.dropout],
    }
    if isinstance(request, OpenLoop):
        return replace(request, inputs=doubled(request.inputs), **common)
    linear = nn.Linear(request.readout.weight.shape[1], request.readout.weight.shape[0]).to(request.first.device)
    linear.weight, linear.bias = nn.Parameter(request.readout.weight), nn.Parameter(request.readout.bias)
    return replace(
        request,
        readout=linear_readout(linear.double(), residual=request.readout.residual),
        first=doubled(request.first),
        known=doubled(request.known),
        base=doubled(request.base),
        truth=None if request.truth is None else doubled(request.truth),
        **common,
    )


def compare(
    implementation: Implementation,
    request: OpenLoop | ClosedLoop,
    tolerance: float,
    *,
    exact: Ran | None = None,
    rounding: float = 1.0,
) -> None:
    """Values and all gradients are those of `Plain`, relative to the largest entry of each tensor.

    A gradient is a sum in which large terms may cancel; what is left of them is compared with a tenth of the largest
    entry of all gradients, where its own entries are smaller.

    Args:
        exact: The results in double precision: a tensor may be three times as far from these as that of `Plain`,
            whose rounding errors grow with the network's factors, beyond any fixed tolerance.
        rounding: Rounding errors of the implementation over those of `Plain`: it may be that much farther.
    """
    expected, found = run(Plain(), request), run(implementation, request)
    for number, (one, other) in enumerate(zip(found.values, expected.values, strict=True)):
        slack = _slack(other, exact.values[number], rounding) if exact else 0.0
        assert_close(one, other, tolerance, f"value {number}", slack=slack)
    least = 0.1 * max(float(gradient.abs().max()) for gradient in expected.gradients.values() if gradient.numel())
    for name, gradient in expected.gradients.items():
        slack = _slack(gradient, exact.gradients[name], rounding) if exact else 0.0
        assert_close(found.gradients[name], gradient, tolerance, f"gradient of {name}", least, slack)


def agrees(implementation: Implementation, case: OpenCase | ClosedCase, *, rounding: float = 1.0) -> None:
    """With the definition; in float32 as closely as its own rounding errors leave it to be told.

    Args:
        rounding: Rounding errors of the implementation in float32 over those of torch's functions.
    """
    request, tolerance = case.request(), TOLERANCE[case.dtype]
    if case.dtype == torch.float32:
        exact = run(Plain(), in_double(request))
        compare(implementation, request, rounding * tolerance, exact=exact, rounding=rounding)
    else:
        compare(implementation, request, tolerance)


def _slack(found: Tensor, exact: Tensor, rounding: float) -> float:
    """How far a result may be from `found` whose own error is at most `3 * rounding` times as large."""
    return (1 + 3 * rounding) * float((found - exact).abs().max()) if found.numel() else 0.0


def gradcheck_of(implementation: Implementation, request: OpenLoop | ClosedLoop) -> None:
    """Gradients are those of finite differences; for small requests in float64."""
    # gradcheck moves the leaves themselves, so that there is no need to build another request from them.
    moved = tuple(leaves(request).values())
    assert torch.autograd.gradcheck(lambda *_: tuple(results(implementation, request)), moved, fast_mode=True)


def runs_twice_the_same(implementation: Implementation, request: OpenLoop | ClosedLoop) -> None:
    """Two runs agree in every bit."""
    one, other = run(implementation, request), run(implementation, request)
    assert all(torch.equal(*pair) for pair in zip(one.values, other.values, strict=True))
    assert all(torch.equal(one.gradients[name], other.gradients[name]) for name in one.gradients)
