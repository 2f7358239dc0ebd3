"""What all tests share: array shapes and types checked as recast is imported, one thread, small data."""

import gc
import signal
from collections.abc import Iterator
from importlib.util import find_spec

from shape_checks import install

# Until all tests are known nothing becomes garbage; looking for it takes a sixth of the time until then.
gc.disable()

if find_spec("numba"):
    # Before the checks: Numba compiles the functions themselves, not what is wrapped around them.
    import recast.nn.recurrence.compiled.backward
    import recast.nn.recurrence.compiled.forward
    import recast.nn.recurrence.compiled.peephole_lstm
    import recast.nn.recurrence.compiled.slstm  # noqa: F401

# Before anything imports recast. With the numeric tower an integer is a float, as in `recast.options`.
install("recast", "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))")

import pytest  # noqa: E402
import torch  # noqa: E402
from hypothesis import settings  # noqa: E402

# So that their assertions are explained like those of tests.
pytest.register_assert_rewrite("interrupting", "pictures", "resuming")

import blank_pictures  # noqa: E402
import quick_composition  # noqa: E402
from slurm_node import slurm_node  # noqa: E402, F401 (a fixture)
from small_data import small_data  # noqa: E402
from small_disk import small_disk  # noqa: E402, F401 (a fixture)

from recast.data.datamodule import ForecastDataModule  # noqa: E402
from recast.data.prepare.prepare import Prepared  # noqa: E402

torch.set_num_threads(1)
blank_pictures.install()
quick_composition.install()
# How long an example takes depends on what else the machine does.
settings.register_profile("recast", deadline=None)
settings.load_profile("recast")


def pytest_configure(config: pytest.Config) -> None:
    # Lightning 2.6 on torch 2.13; nothing that recast could change.
    config.addinivalue_line("filterwarnings", r"ignore:`isinstance\(treespec, LeafSpec\)` is deprecated")
    # OmegaConf's annotations are not ours to modernise.
    config.addinivalue_line("filterwarnings", "ignore::beartype.roar.BeartypeDecorHintPep585DeprecationWarning")
    config.addinivalue_line("filterwarnings", r"ignore:GPU available but not used")
    if config.getoption("dist", "no") != "no":
        # The process that hands tests out to others knows of none.
        gc.enable()


KIN_OF_OTHERS = ("layer_norm_rnn", "layer_norm_lstm", "min_lstm", "output_to_output", "peephole_lstm")
"""Cells with the code of another one but for the formula of a step; their own tests have that."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Of the tests for every cell in every form of model, the default run has each kind of code once.
    for item in items:
        call = getattr(item, "callspec", None)
        if call is not None and call.params.get("cell") in KIN_OF_OTHERS:
            item.add_marker(pytest.mark.slow)


def pytest_collection_finish() -> None:
    # Modules and tests stay to the end; collections that pass over them again and again are slow.
    gc.collect()
    gc.freeze()
    # What tests leave behind is small; looking for it as often as Python does by itself takes five times as long.
    gc.set_threshold(7_000, 20, 20)
    gc.enable()


SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)


@pytest.fixture(autouse=True)
def state_of_the_process() -> Iterator[None]:
    """A run that a test kills leaves its signal handlers and its deterministic algorithms to the tests after it."""
    handlers, deterministic = (
        {number: signal.getsignal(number) for number in SIGNALS},
        torch.are_deterministic_algorithms_enabled(),
    )
    yield
    for number, handler in handlers.items():
        if signal.getsignal(number) is not handler:
            signal.signal(number, handler)
    if torch.are_deterministic_algorithms_enabled() != deterministic:
        torch.use_deterministic_algorithms(deterministic)


@pytest.fixture
def tiny_data() -> ForecastDataModule:
    return small_data()


@pytest.fixture(scope="session")
def tiny_prepared() -> Prepared:
    return small_data().prepared
