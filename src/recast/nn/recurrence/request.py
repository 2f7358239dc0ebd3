"""Requests to an implementation: an open loop over a sequence, or a closed loop over a horizon."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

from jaxtyping import Bool, Float
from torch import Tensor

Kind = Literal["rnn", "gru", "lstm", "peephole_lstm", "slstm", "slstm_exponential"]


@runtime_checkable
class Layer(Protocol):
    """A recurrent layer, such as `recast.nn.cells.cell.Cell`.

    Attributes:
        kind: Which of the cells with a fast implementation it is (torch's tanh RNN, GRU or LSTM, or one of those that
            only the compiled open loop knows); None: another one.
        weights: If it has a kind: weight_ih, weight_hh, bias_ih, bias_hh in torch's order of gates; of the other cells
            weight_ih, weight_hh, one bias, and their own.
        hidden_size: Number of outputs at each step.
        scans: Whether it runs over a sequence by a scan, all steps at once, and not step by step.
    """

    @property
    def kind(self) -> Kind | None: ...  # noqa: D102 - described above

    @property
    def weights(self) -> list[Tensor]: ...  # noqa: D102

    @property
    def hidden_size(self) -> int: ...  # noqa: D102

    @property
    def scans(self) -> bool: ...  # noqa: D102

    def initial_state(self, batch: int, like: Tensor) -> Any:
        """The state before the first step."""
        ...

    def step(self, x: Tensor, state: Any) -> Any:
        """The state after one more input."""
        ...

    def __call__(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        """The output of each step, and the state after the last."""
        ...


@dataclass(frozen=True, eq=False, kw_only=True)
class OpenLoop:
    """Stacked layers over given inputs.

    Layer l reads, at each step, the output of layer l - 1 times `dropout[l - 1]`; the lowest one reads the inputs.

    Args:
        layers: The layers, lowest first; at least one.
        inputs: Inputs of the lowest layer, at least one step, shape (batch, time, inputs).
        states: The state of each layer before the first step: a NamedTuple of tensors (batch, size), `hidden` first.
            None: the layer's default initial state.
        dropout: For each layer but the last, the factors on its outputs, shape (batch, time, hidden); empty: nothing is
            dropped.
        at: Numbers of steps, ascending, from 1 to time, after which the states are requested.
        outputs_from: First step whose output of the top layer is requested; time: none.
    """

    layers: Sequence[Layer]
    inputs: Float[Tensor, "batch time inputs"]
    states: Sequence[Any]
    dropout: Sequence[Tensor]
    at: tuple[int, ...]
    outputs_from: int


class Unrolled(NamedTuple):
    """The result of an open loop: outputs of the top layer, and for each layer a state of fields (batch, at, size)."""

    outputs: Float[Tensor, "batch steps hidden"]
    states: list[Any]


class Readout(NamedTuple):
    """How the top layer's output becomes a value that can be fed back.

    Attributes:
        parameters: From an output (batch, hidden), the base at its lead, and the last values fed, newest last, to head
            parameters (batch, targets, parameters).
        value: From those to what would be fed back, (batch, targets).
        weight: Weight of the linear map that is the first operation of `parameters`.
        bias: Its bias.
        linear: Whether value = weight @ output + bias + base exactly, so that the head parameters are the value.
        residual: Whether a linear readout also adds the value fed at this lead, so that it forecasts the change from
            it.
    """

    parameters: Callable[[Tensor, Tensor, Sequence[Tensor]], Tensor]
    value: Callable[[Tensor], Tensor]
    weight: Float[Tensor, "numbers hidden"]
    bias: Float[Tensor, " numbers"]
    linear: bool
    residual: bool = False

    def read(self, output: Tensor, base: Tensor, fed: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """The head parameters of one lead, and what would be fed back."""
        parameters = self.parameters(output, base, fed)
        return parameters, self.value(parameters)


@dataclass(frozen=True, eq=False, kw_only=True)
class ClosedLoop:
    """Stacked layers over a horizon: each lead reads the value of the previous lead and known inputs.

    At lead k the lowest layer reads [v, known_k], where v is `first` at the first lead, the true value of lead k - 1
    where `mask` is true, otherwise the readout's value at lead k - 1; or what `embed` makes of v, the values fed before
    it and known_k. The shape of a value, apart from its batch axis, is defined by `embed` and the readout; without
    `embed` it is one number per target.

    Args:
        layers: The layers, lowest first; at least one.
        states: The state of each layer before the first lead, never None; see `OpenLoop`.
        readout: Maps the top layer's output to a value.
        first: The value fed at the first lead.
        known: Inputs known ahead, at each lead.
        base: What the readout adds to, at each lead, such as a base forecast.
        dropout: Factors between the layers, see `OpenLoop`.
        truth: True values; None if there is no mask.
        mask: True where the truth of a lead is fed to the next one; nothing follows the last lead. None: never.
        detach: Whether the gradient stops at values fed back.
        before: Values before `first`, oldest first: the readout and `embed` read this many of the last values fed in
            addition to the newest.
        embed: Maps the last values fed, newest last, and the known inputs of a lead to the lowest layer's input; None:
            concatenates the newest and these inputs.
    """

    layers: Sequence[Layer]
    states: Sequence[Any]
    readout: Readout
    first: Float[Tensor, "batch ..."]
    known: Float[Tensor, "batch horizon known"]
    base: Float[Tensor, "batch horizon ..."]
    dropout: Sequence[Tensor]
    truth: Float[Tensor, "batch horizon ..."] | None
    mask: Bool[Tensor, "batch leads"] | None
    detach: bool
    before: Sequence[Tensor] = ()
    embed: Callable[[Sequence[Tensor], Tensor], Tensor] | None = None


class Rollout(NamedTuple):
    """The result of a closed loop: head parameters, and the values to feed back."""

    parameters: Float[Tensor, "batch horizon ... parameters"]
    values: Float[Tensor, "batch horizon ..."]
