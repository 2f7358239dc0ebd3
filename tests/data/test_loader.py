"""Batches: gathered right, each window once, in an order that survives a stop, in little memory and time."""

import json
import subprocess
import sys
import textwrap
import time
from operator import attrgetter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import storage_of
from torch.utils.data import DataLoader, Dataset
from window_loaders import loader_of, starts_of

from recast.data.prepare.loader import WindowLoader
from recast.data.prepare.order import Order

counts = st.integers(1, 40)
sizes = st.integers(1, 45)
seeds = st.integers(0, 2**32 - 2)


@settings(max_examples=50, deadline=None)
@given(
    context=st.integers(1, 6),
    horizon=st.integers(1, 5),
    channels=st.integers(1, 4),
    periods=st.integers(0, 2),
    data=st.data(),
)
def test_gathered_windows_are_slices_of_the_storage(context, horizon, channels, periods, data):
    targets = data.draw(st.integers(1, channels))
    rows = torch.randn(context + horizon + 10, channels + 2 * periods)
    storage = storage_of(rows, targets=targets, past=channels - targets, periods=periods)
    starts = torch.tensor(data.draw(st.lists(st.integers(0, 10), min_size=1, max_size=8)))
    loader = WindowLoader(storage=storage, order=Order(starts, 3), context=context, horizon=horizon)
    batch = loader.storage.windows(starts, loader.context, loader.horizon)
    assert batch.start.equal(starts)
    assert batch.context == context
    assert not batch.item.any()
    assert batch.observed is batch.categories is batch.lengths is batch.label is None
    for window, start in enumerate(starts.tolist()):
        origin = start + context
        before, ahead = rows[start:origin], rows[origin : origin + horizon]
        assert batch.history[window].equal(before[:, :targets])
        assert batch.past[window].equal(before[:, targets:channels])
        assert batch.target[window].equal(ahead[:, :targets])
        assert batch.known_before[window].equal(before[:, channels:])
        assert batch.known_ahead[window].equal(ahead[:, channels:])
        assert batch.known[window].equal(rows[start : origin + horizon, channels:])


def test_iterated_batches_hold_the_windows_of_their_starts():
    loader = loader_of(10, 4, shuffle=True)
    for batch in loader:
        expected = loader.storage.windows(batch.start, loader.context, loader.horizon)
        assert all(part.equal(other) for part, other in zip(batch[:7], expected[:7], strict=True))
        assert batch.carried is None
        assert batch.history[:, 0, 0].long().equal(batch.start)


@given(windows=counts, batch_size=sizes, shuffle=st.booleans(), seed=seeds)
def test_each_epoch_has_every_window_once(windows, batch_size, shuffle, seed):
    loader = loader_of(windows, batch_size, shuffle=shuffle, seed=seed)
    for _ in range(3):
        batches = list(loader)
        assert len(batches) == len(loader)
        assert all(len(batch.start) == batch_size for batch in batches[:-1])
        assert 1 <= len(batches[-1].start) <= batch_size
        assert sorted(starts_of(batches)) == loader.order.items.tolist()


def test_without_shuffling_windows_come_in_order():
    loader = loader_of(10, 3)
    assert starts_of(loader) == starts_of(loader) == list(range(0, 20, 2))


@given(seed=seeds, batch_size=sizes)
def test_the_order_is_a_function_of_seed_and_epoch(seed, batch_size):
    one = loader_of(40, batch_size, shuffle=True, seed=seed)
    two = loader_of(40, 7, shuffle=True, seed=seed)
    torch.manual_seed(seed % 1000)  # of no effect
    epochs = [starts_of(one) for _ in range(4)]
    assert epochs == [starts_of(two) for _ in range(4)]
    other = loader_of(40, batch_size, shuffle=True, seed=seed + 1)
    orders = [*epochs, *(starts_of(other) for _ in range(4))]
    assert len({tuple(order) for order in orders}) == 8


@given(windows=counts, batch_size=sizes, data=st.data())
def test_a_restored_loader_goes_on_where_the_state_was_taken(windows, batch_size, data):
    loader = loader_of(windows, batch_size, shuffle=True, seed=5)
    epochs = data.draw(st.integers(0, 2))
    taken = data.draw(st.integers(0, len(loader)))
    for _ in range(epochs):
        list(loader)
    batches = iter(loader)
    for _ in range(taken):
        next(batches)
    state = json.loads(json.dumps(loader.state_dict()))
    rest = starts_of(batches) if taken < len(loader) else starts_of(loader)
    following = [starts_of(loader) for _ in range(2)]
    restored = loader_of(windows, batch_size, shuffle=True, seed=5)
    list(restored)[:1]
    restored.load_state_dict(state)
    iterator = iter(restored)
    assert starts_of(iterator) == rest
    assert [starts_of(restored) for _ in range(2)] == following


@given(windows=st.integers(2, 40), batch_size=st.integers(1, 20), data=st.data())
def test_an_epoch_cut_short_is_followed_by_a_new_one(windows, batch_size, data):
    loader = loader_of(windows, batch_size, shuffle=True)
    taken = data.draw(st.integers(1, len(loader)))
    whole = loader_of(windows, batch_size, shuffle=True)
    for _ in range(3):
        cut = [batch for batch, _ in zip(loader, range(taken), strict=False)]
        assert starts_of(cut) == starts_of(list(whole)[:taken])


MEMORY = """
    import json, resource
    import numpy as np
    import torch
    from recast.data.panel import Panel, columns_of
    from recast.data.prepare.loader import WindowLoader
    from recast.data.prepare.order import Order
    from recast.data.prepare.storage import stored
    from recast.data.spec import SeriesSpec

    columns = columns_of(targets=["a"])
    spec = SeriesSpec(columns=columns, offset=(0.0,), scale=(1.0,), step="h", context=800, horizon=100,
                      naive_error=(1.0,))
    values = np.random.default_rng(0).normal(size=(1_000_000, 1))
    storage = stored(Panel(columns=columns, values=values, starts=np.zeros(1, dtype=np.int64), label="noise"), spec)
    starts = torch.arange(1_000_000 - 899)
    torch.randn(8, 8) @ torch.randn(8, 8)
    peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    before = peak()
    loader = WindowLoader(storage=storage, order=Order(starts, 32, shuffle=True), context=800, horizon=100)
    total = 0.0
    for number, batch in enumerate(loader):
        total += batch.target.sum().item()
        if number == 300:
            break
    print(json.dumps({"MB": peak() - before, "batches": len(loader)}))
"""


@pytest.mark.slow
def test_a_million_rows_with_windows_of_900_take_little_memory():
    """All windows together would be 3.6 GB."""
    program = textwrap.dedent(MEMORY)
    answer = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    found = json.loads(answer)
    assert found["batches"] == 31_222
    assert found["MB"] < 100


class OneByOne(Dataset):
    """What the loader replaces: a window at a time."""

    def __init__(self, storage: torch.Tensor, starts: torch.Tensor) -> None:
        self.storage = storage
        self.starts = starts

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, ...]:
        start = int(self.starts[index])
        window = self.storage[start : start + 110]
        return window[:100, :1], window[:, 1:], window[100:, :1], self.starts[index]


def test_batches_come_faster_than_sample_by_sample():
    rows, starts = torch.randn(8000, 3), torch.arange(6400)
    fast = WindowLoader(storage=storage_of(rows, periods=1), order=Order(starts, 64), context=100, horizon=10)
    slow = DataLoader(OneByOne(rows, starts), batch_size=64)
    seconds = []
    for loader, parts in ((fast, attrgetter("history", "known", "target", "start")), (slow, tuple)):
        rounds = []
        for _ in range(3):
            begun = time.perf_counter()
            shapes = {tuple(part.shape for part in parts(batch)) for batch in loader}
            rounds.append(time.perf_counter() - begun)
        seconds.append(min(rounds))
        assert shapes == {((64, 100, 1), (64, 110, 2), (64, 10, 1), (64,))}
    assert seconds[1] > 3 * seconds[0]
