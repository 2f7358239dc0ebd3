"""The linear recurrent unit against a loop of complex numbers, and its initialisation."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import erf, expit
from scipy.stats import kstest

from recast.errors import ConfigurationError
from recast.nn.cells.cell import Cell
from recast.nn.cells.lru import LRU, LRUState, constant_scan


def built(**options):
    torch.manual_seed(0)
    return LRU(**({"input_size": 2, "hidden_size": 3, "state_size": 5} | options)).double()


def factors(cell):
    """The eigenvalues, as complex numbers."""
    return np.exp(-np.exp(cell.log_decay.detach().numpy()) + 1j * np.exp(cell.log_phase.detach().numpy()))


def by_definition(cell, inputs, z):
    """x_k = Lambda x_{k-1} + exp(gamma) (B u_k), y_k = A(Re[C x_k] + D u_k), one sequence, complex matrices."""
    weights = {name: value.detach().numpy() for name, value in cell.named_parameters()}
    b_real, b_imaginary = np.split(weights["input_matrix.weight"], 2)
    c_real, c_negative = np.split(weights["output_matrix.weight"], 2, axis=1)
    b, c, factor = b_real + 1j * b_imaginary, c_real - 1j * c_negative, factors(cell)
    outputs = []
    for u in inputs:
        z = factor * z + np.exp(weights["log_gain"]) * (b @ u)
        y = (c @ z).real + weights["feed_through.weight"] @ u
        if cell.glu is not None:
            value, gate = np.split(weights["glu.weight"] @ (y * (1 + erf(y / np.sqrt(2))) / 2), 2)
            y = value * expit(gate)
        outputs.append(y)
    return np.stack(outputs), z


@pytest.mark.parametrize("activation", ["linear", "glu"])
@pytest.mark.parametrize("time", [1, 2, 11])
def test_equal_to_the_loop_of_the_paper(activation, time):
    cell = built(activation=activation)
    inputs = torch.randn(4, time, 2, dtype=torch.float64)
    state = LRUState(*(torch.randn(4, size, dtype=torch.float64) for size in cell.state_sizes))
    with torch.no_grad():
        faces = [forward(cell, inputs, state) for forward in (LRU.forward, Cell.forward)]
    for row in range(4):
        start = state.real[row].numpy() + 1j * state.imaginary[row].numpy()
        expected, memory = by_definition(cell, inputs[row].numpy(), start)
        for outputs, final in faces:
            np.testing.assert_allclose(outputs[row].numpy(), expected, rtol=1e-12, atol=1e-13)
            np.testing.assert_allclose(final.real[row].numpy(), memory.real, rtol=1e-12, atol=1e-13)
            np.testing.assert_allclose(final.imaginary[row].numpy(), memory.imag, rtol=1e-12, atol=1e-13)


def test_gradcheck_of_a_sequence():
    cell = built()
    inputs = torch.randn(2, 5, 2, dtype=torch.float64, requires_grad=True)
    state = [torch.randn(2, size, dtype=torch.float64, requires_grad=True) for size in cell.state_sizes]

    def forward(inputs, *others):  # gradcheck moves the weights in place, so that the cell sees them
        outputs, final = cell(inputs, LRUState(*others[:3]))
        return outputs, *final

    assert torch.autograd.gradcheck(forward, (inputs, *state, *cell.parameters()))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 70), st.integers(0, 2**32 - 1))
def test_the_scan_is_a_loop(time, seed):
    torch.manual_seed(seed)
    # Some factors are zero within rounding, some near the unit circle.
    exponent = torch.complex(-torch.rand(3, dtype=torch.float64).log().abs().pow(3), 6 * torch.rand(3).double())
    drive, state = (torch.randn(*shape, 3, dtype=torch.complex128) for shape in ((2, time), (2,)))
    found = constant_scan(exponent, drive, state)
    assert found.shape == drive.shape
    for step in range(time):
        state = exponent.exp() * state + drive[:, step]
        torch.testing.assert_close(found[:, step], state, rtol=1e-11, atol=1e-11)


def test_long_memories_do_not_drift_in_float32():
    torch.manual_seed(0)
    cell = LRU(input_size=1, hidden_size=8, r_min=0.99, r_max=0.9999)
    inputs = torch.randn(2, 1500, 1)
    with torch.no_grad():
        outputs, _ = cell(inputs)
        exact, _ = cell.double()(inputs.double())
    assert (outputs - exact).abs().max() < 1e-5 * exact.abs().max()


def test_eigenvalues_start_uniform_on_their_ring():
    torch.manual_seed(0)
    found = factors(LRU(input_size=1, hidden_size=4000, r_min=0.5, r_max=0.9, max_phase=0.3))
    squares, phases = np.abs(found) ** 2, np.angle(found)
    assert kstest((squares - 0.25) / (0.81 - 0.25), "uniform").pvalue > 0.01
    assert kstest(phases / 0.3, "uniform").pvalue > 0.01


@pytest.mark.parametrize("ring", [(0.0, 1.0), (0.3, 0.6), (0.99, 1.0)])
def test_white_noise_gives_each_memory_the_variance_of_its_drive(ring):
    cell = built(state_size=500, r_min=ring[0], r_max=ring[1])
    moduli = np.abs(factors(cell))
    assert ((moduli >= ring[0] - 1e-6) & (moduli < 1)).all()
    # The sum over k of |gain lambda^k|^2.
    energy = np.exp(2 * cell.log_gain.detach().numpy()) / (1 - moduli**2)
    np.testing.assert_allclose(energy, 1, rtol=1e-3)


def test_an_old_input_still_counts():
    cell = built(r_min=0.99, r_max=0.999, activation="linear")
    inputs = torch.zeros(1, 400, 2, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(cell(inputs)[0][0, -1].sum(), inputs)
    first, last = gradient[0, 0].norm(), gradient[0, -2].norm()
    assert 0.001 < first / last < 1


def test_options():
    assert built().state_sizes == (3, 5, 5)
    assert built(state_size=None).state_sizes == (3, 3, 3)
    with pytest.raises(
        ConfigurationError, match=r"^LRU: r_min=0.9 is not below r_max=0.5; lower r_min or raise r_max$"
    ):
        built(r_min=0.9, r_max=0.5)
    with pytest.raises(ConfigurationError, match=r"^LRU: r_max="):
        built(r_max=1.5)
