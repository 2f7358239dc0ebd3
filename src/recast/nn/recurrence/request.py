"""What an implementation is asked for: an open loop over a sequence, or a closed loop over a horizon."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

from jaxtyping import Bool, Float
from torch import Tensor

Kind = Literal["rnn", "gru", "lstm"]


@runtime_checkable
class Layer(Protocol):
    """A recurrent layer, as `recast.nn.cells.cell.Cell` is one.

    Attributes:
        kind: Which of the cells with a fast implementation it is (tanh RNN, GRU or LSTM of torch); None: another one.
        weights: weight_ih, weight_hh, bias_ih, bias_hh in torch's order of gates, where it has a kind.
        hidden_size: Number of outputs at each step.
    """

    @property
    def kind(self) -> Kind | None: ...  # noqa: D102 - described above

    @property
    def weights(self) -> list[Tensor]: ...  # noqa: D102

    @property
    def hidden_size(self) -> int: ...  # noqa: D102

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
    """Layers one above the other over given inputs.

    Layer l reads, at each step, the output of layer l - 1 times `dropout[l - 1]`; the lowest one reads the inputs.

    Args:
        layers: The layers, the lowest first; at least one.
        inputs: Inputs of the lowest layer, at least one step, shape (batch, time, inputs).
        states: The state of each layer before the first step: a NamedTuple of tensors (batch, size), `hidden` first.
            None: the layer's initial state.
        dropout: Between each two layers the factors on the outputs of the lower one, shape (batch, time, hidden); none:
            nothing is dropped.
        at: Counts of steps, ascending, from 1 to time: the states after so many steps are asked for.
        outputs_from: First step whose output of the top layer is asked for; time: none is.
    """

    layers: Sequence[Layer]
    inputs: Float[Tensor, "batch time inputs"]
    states: Sequence[Any]
    dropout: Sequence[Tensor]
    at: tuple[int, ...]
    outputs_from: int


class Unrolled(NamedTuple):
    """What an open loop gives: outputs of the top layer, and for each layer a state of fields (batch, at, size)."""

    outputs: Float[Tensor, "batch steps hidden"]
    states: list[Any]


class Readout(NamedTuple):
    """How the top layer's output becomes a value that can be fed back.

    Attributes:
        parameters: From an output (batch, hidden), the base at its lead, and the last values that were fed, the newest
            last, to head parameters (batch, targets, parameters).
        value: From those to what would be fed back, (batch, targets).
        weight: Weight of the linear map that `parameters` begins with.
        bias: Its bias.
        linear: Whether value = weight @ output + bias + base and no more, so that the head parameters are the value.
        residual: Whether a linear readout adds the value fed at this lead as well, so that it gives the change from it.
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
    """Layers one above the other over a horizon: each lead reads the value of the lead before and known inputs.

    At lead k the lowest layer reads [v, known_k], or embed(v, known_k), where v is `first` at the first lead, the true
    value of lead k - 1 where `mask` says so, else the value that the readout gave at lead k - 1. What a value is,
    beside its batch axis, is a matter between `embed` and the readout; without `embed` it is one number a target.

    Args:
        layers: The layers, the lowest first; at least one.
        states: The state of each layer before the first lead, none of them None; see `OpenLoop`.
        readout: From the top layer's output to a value.
        first: The value fed at the first lead.
        known: Inputs known ahead, at each lead.
        base: What the readout adds to, at each lead, such as a base forecast.
        dropout: Factors between the layers, see `OpenLoop`.
        truth: True values; None where there is no mask.
        mask: True where the truth of a lead is fed to the next one; the last lead feeds none. None: never.
        detach: Whether the gradient stops at values fed back.
        before: Values before `first`, oldest first: so many more of the last values fed does the readout look at.
        embed: From the value fed and the known inputs of a lead to what the lowest layer reads; None: both side by
            side.
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
    embed: Callable[[Tensor, Tensor], Tensor] | None = None


class Rollout(NamedTuple):
    """What a closed loop gives: head parameters, and the values that it would feed back."""

    parameters: Float[Tensor, "batch horizon ... parameters"]
    values: Float[Tensor, "batch horizon ..."]
