"""The fit of tanh: the constants in use are what the script gives."""

import ast
import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

import recast

SCRIPT = Path(__file__).parents[2] / "scripts" / "fit_tanh.py"
spec = importlib.util.spec_from_file_location("fit_tanh", SCRIPT)
fit_tanh = importlib.util.module_from_spec(spec)
sys.modules["fit_tanh"] = fit_tanh
spec.loader.exec_module(fit_tanh)


@pytest.fixture(scope="module")
def found():
    return fit_tanh.fit()


def written(name: str) -> list[float]:
    """Numbers of a constant as they are written; in use they are rounded to single precision."""
    path = Path(recast.__file__).parent / "nn" / "recurrence" / "compiled" / "activations.py"
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            constants = [part.value for part in ast.walk(node.value) if isinstance(part, ast.Constant)]
            return [constant for constant in constants if isinstance(constant, float)]
    raise AssertionError(name)


def test_the_constants_in_use_are_the_fit(found):
    np.testing.assert_allclose(found.p, written("_P"), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.q, [*written("_Q"), 1.0], rtol=1e-9, atol=1e-12)
    assert written("_BOUND") == [fit_tanh.BOUND]


def test_the_error_is_as_stated(found):
    assert found.error == pytest.approx(1.4e-7, rel=0.03)
    assert 3e-7 < fit_tanh.rounded_error(found) < 4.8e-7
    # Between the points of the fit, too.
    x = np.linspace(0, fit_tanh.BOUND, 123_457)[1:]
    p, q = (np.polynomial.Polynomial(part)(x * x) for part in (found.p, found.q))
    assert np.abs(x * p / q / np.tanh(x) - 1).max() < 1.01 * found.error


def test_the_error_is_spread_evenly(found):
    """As many extremes of the same size, in turn positive and negative, as there are coefficients and one more."""
    x = np.linspace(1e-3, fit_tanh.BOUND, 200_001)
    p, q = (np.polynomial.Polynomial(part)(x * x) for part in (found.p, found.q))
    error = x * p / q / np.tanh(x) - 1
    large = np.sign(error[np.abs(error) > 0.8 * found.error])
    assert 1 + np.count_nonzero(np.diff(large)) == 3 + 4 + 2


def test_it_prints_what_it_found(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["fit_tanh", "--degrees", "2", "2", "--bound", "3"])
    fit_tanh.main()
    lines = capsys.readouterr().out.splitlines()
    assert [lines[0], lines[4]] == ["P", "Q"]
    found = fit_tanh.fit(3.0, (2, 2))
    assert [float(line) for line in (*lines[1:4], *lines[5:8])] == [*found.p.tolist(), *found.q.tolist()]
    assert lines[-1].startswith(f"relative error {found.error:.1e}, with rounding ")
