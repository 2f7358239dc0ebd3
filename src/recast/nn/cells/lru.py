"""The linear recurrent unit."""

import math
from collections.abc import Iterator
from typing import Annotated, Literal, NamedTuple

import torch
from annotated_types import Gt, Le
from jaxtyping import Complex, Float
from torch import Tensor, nn
from torch.nn import functional

from recast.errors import ConfigurationError
from recast.nn.cells.cell import Cell
from recast.options import Fraction, PositiveFloat, PositiveInt, checked


class LRUState(NamedTuple):
    """State of `LRU`; the next step reads only the memory, z = real + i imaginary."""

    hidden: Float[Tensor, "batch hidden"]
    real: Float[Tensor, "batch memory"]
    imaginary: Float[Tensor, "batch memory"]


class LRU(Cell[LRUState]):
    """Linear recurrent unit (Orvieto et al. 2023, "Resurrecting recurrent neural networks", arXiv 2303.06349).

        z' = lambda * z + exp(g) * (B x)            complex, element by element
        lambda = exp(-exp(n) + i exp(t))
        h' = A(Re[C z'] + D x)

    n, t and g are real, learnt vectors, B and C complex matrices and D a real one. As exp(n) > 0, every eigenvalue
    lambda stays within the unit circle (the paper's section 3.3): no memory ever diverges, and one with a modulus near
    1 is long. Memories do not read each other, and nothing gates them.

    A is the identity, or what follows the recurrence in the paper's networks, GELU and a gated linear unit (figure 1;
    Dauphin et al. 2017, arXiv 1612.08083):

        A(y) = V a * sigmoid(W a),  a = GELU(y)

    with which stacked layers are more than one linear layer. V and W have no bias, so that an empty memory gives an
    output of zero; the paper's normalisation and skip connection around the block are left out.

    At the start lambda is uniform on the ring r_min <= |lambda| <= r_max with a phase in [0, max_phase] (lemma 3.2),
    exp(g) = sqrt(1 - |lambda|^2), so that white noise gives each memory the same variance (section 3.4), and real and
    imaginary parts of B and C are normal with variances 1 / (2 input_size) and 1 / state_size (appendix A), as is D
    with variance 1 / input_size. V and W start as in `torch.nn.Linear`.

    Args:
        input_size: Number of inputs at each step.
        hidden_size: Number of outputs at each step.
        state_size: Number of complex numbers of the memory; none: `hidden_size`.
        activation: The function A: "linear", the identity, or "glu".
        r_min: Smallest modulus of lambda at the start.
        r_max: Largest modulus of lambda at the start, above `r_min`. A modulus r keeps a memory for about 1 / (1 - r)
            steps; long dependencies need both near 1, as 0.9 and 0.999.
        max_phase: Largest phase of lambda at the start. A phase p oscillates with a period of 2 pi / p steps; long
            dependencies need a small one (section 3.4). [rad]
        learn_initial_state: Whether the memory before the first step is learnt, starting from zeros; otherwise it is
            zero.

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range, or r_min is not below r_max.
    """

    state_type = LRUState
    reads_hidden = False
    scans = True

    @checked
    def __init__(
        self,
        *,
        input_size: PositiveInt,
        hidden_size: PositiveInt = 64,
        state_size: PositiveInt | None = None,
        activation: Literal["linear", "glu"] = "glu",
        r_min: Fraction = 0.0,
        r_max: Annotated[float, Gt(0), Le(1)] = 1.0,
        max_phase: PositiveFloat = 6.28,
        learn_initial_state: bool = False,
    ) -> None:
        if r_min >= r_max:
            raise ConfigurationError(f"LRU: r_min={r_min} is not below r_max={r_max}; lower r_min or raise r_max")
        size = state_size or hidden_size
        super().__init__(input_size=input_size, hidden_size=hidden_size, state_sizes=(hidden_size, size, size))
        if learn_initial_state:
            # Only the memory: the output follows from it, and no step reads the output.
            self.initial = nn.ParameterList([nn.Parameter(torch.zeros(size)) for _ in range(2)])
        # Neither 0 nor 1, whose logarithms, or those of their logarithms, are infinite.
        squares = torch.empty(size).uniform_(r_min**2, r_max**2).clamp(1e-12, 1 - 1e-6)
        self.log_decay = nn.Parameter((-0.5 * squares.log()).log())
        self.log_phase = nn.Parameter((max_phase * torch.rand(size).clamp(min=1e-6)).log())
        self.log_gain = nn.Parameter(0.5 * torch.log1p(-squares))
        self.input_matrix = nn.Linear(input_size, 2 * size, bias=False)
        self.output_matrix = nn.Linear(2 * size, hidden_size, bias=False)
        self.feed_through = nn.Linear(input_size, hidden_size, bias=False)
        nn.init.normal_(self.input_matrix.weight, std=(2 * input_size) ** -0.5)
        nn.init.normal_(self.output_matrix.weight, std=size**-0.5)
        nn.init.normal_(self.feed_through.weight, std=input_size**-0.5)
        self.glu = nn.Linear(hidden_size, 2 * hidden_size, bias=False) if activation == "glu" else None

    def initial_state(self, batch: int, like: Tensor) -> LRUState:
        """The initial state, with the output of its memory alone; see `Cell.initial_state`."""
        if self.initial is None:
            return super().initial_state(batch, like)
        real, imaginary = (start.to(like.dtype).expand(batch, -1) for start in self.initial)
        output = self._activate(self.output_matrix(torch.cat([real, imaginary], dim=-1)))
        return LRUState(output.to(like.dtype), real, imaginary)

    def output_weights(self) -> Iterator[nn.Parameter]:
        """C, D and the weights of A."""
        yield from self.output_matrix.parameters()
        yield from self.feed_through.parameters()
        if self.glu is not None:
            yield from self.glu.parameters()

    def step(self, x: Float[Tensor, "batch input"], state: LRUState) -> LRUState:
        """The state after one more input."""
        modulus, phase = (-self.log_decay.exp()).exp(), self.log_phase.exp()
        a, b = modulus * phase.cos(), modulus * phase.sin()
        into_real, into_imaginary = self._drive(x).to(state.real.dtype).chunk(2, dim=-1)
        real = a * state.real - b * state.imaginary + into_real
        imaginary = b * state.real + a * state.imaginary + into_imaginary
        return LRUState(self._output(x, torch.cat([real, imaginary], dim=-1)), real, imaginary)

    def forward(
        self, inputs: Float[Tensor, "batch time input"], state: LRUState | None = None
    ) -> tuple[Float[Tensor, "batch time hidden"], LRUState]:
        """Runs over a sequence by a scan; see `Cell.forward` and `constant_scan`."""
        tracing = torch.jit.is_tracing()  # pyright: ignore[reportPrivateImportUsage] documented, not exported
        if tracing or torch.compiler.is_compiling():
            # Exported graphs and compiled ones have no complex numbers.
            return super().forward(inputs, state)
        before = self.initial_state(inputs.shape[0], inputs) if state is None else state
        drive = torch.complex(*self._drive(inputs).to(before.real.dtype).chunk(2, dim=-1))
        exponent = torch.complex(-self.log_decay.exp(), self.log_phase.exp())
        memory = constant_scan(exponent, drive, torch.complex(before.real, before.imaginary))
        outputs = self._output(inputs, torch.cat([memory.real, memory.imag], dim=-1))
        return outputs, LRUState(outputs[:, -1], memory.real[:, -1], memory.imag[:, -1])

    def _drive(self, inputs: Float[Tensor, "*steps input"]) -> Float[Tensor, "*steps parts"]:
        """exp(g) * (B x): the real parts, then the imaginary ones."""
        gain = self.log_gain.exp()
        return torch.cat([gain, gain]) * self.input_matrix(inputs)

    def _output(
        self, inputs: Float[Tensor, "*steps input"], memory: Float[Tensor, "*steps parts"]
    ) -> Float[Tensor, "*steps hidden"]:
        """A(Re[C z] + D x). `output_matrix` has the real parts of C beside its negative imaginary ones."""
        return self._activate(self.output_matrix(memory) + self.feed_through(inputs)).to(memory.dtype)

    def _activate(self, outputs: Float[Tensor, "*steps hidden"]) -> Float[Tensor, "*steps hidden"]:
        return outputs if self.glu is None else functional.glu(self.glu(functional.gelu(outputs)), dim=-1)


def constant_scan(
    exponent: Complex[Tensor, " size"], drive: Complex[Tensor, "batch time size"], start: Complex[Tensor, "batch size"]
) -> Complex[Tensor, "batch time size"]:
    """The states z_t = exp(exponent) * z_{t-1} + drive_t after each step, from z_0 = start.

    A parallel scan in two levels: chunks of about sqrt(time) steps run side by side, each from zero; what entered a
    chunk is then passed from chunk to chunk, and added to its steps, decayed. That is about 2 sqrt(time) operations one
    after the other instead of `time`, and three times the arithmetic of a loop.

    Args:
        exponent: The logarithm of the factor; its real part is negative or zero.
        drive: What each step adds.
        start: The state before the first step.
    """
    time = int(drive.shape[1])
    length = math.isqrt(time - 1) + 1
    chunks = -(-time // length)
    padded = functional.pad(drive, (0, 0, 0, chunks * length - time)).unflatten(1, (chunks, length))
    factor = exponent.exp()
    local = list(padded.unbind(2))
    for step in range(1, length):
        local[step] = torch.addcmul(local[step], factor, local[step - 1])
    decayed = (exponent * length).exp()
    entering = [start]
    for last in local[-1].unbind(1)[:-1]:
        entering.append(torch.addcmul(last, decayed, entering[-1]))
    steps = torch.arange(1, length + 1, device=exponent.device)
    powers = (steps.unsqueeze(1) * exponent).exp()
    states = torch.addcmul(torch.stack(local, dim=2), powers, torch.stack(entering, dim=1).unsqueeze(2))
    return states.flatten(1, 2)[:, :time]
