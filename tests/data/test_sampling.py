"""Which windows of a panel an epoch of shuffled windows holds."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recast.data.datamodule import ForecastDataModule
from recast.data.prepare.order import Order
from recast.data.prepare.regime import ShuffledWindows
from recast.data.prepare.split import ItemsSplit
from recast.data.prepare.windows import Windows
from recast.data.sources.sines import TwoSines


@settings(max_examples=100, deadline=None)
@given(
    counts=st.lists(st.integers(1, 9), min_size=1, max_size=6),
    draws=st.integers(1, 60) | st.none(),
    world=st.integers(1, 3),
    epoch=st.integers(0, 5),
)
def test_groups_take_turns(counts: list[int], draws: int | None, world: int, epoch: int):
    total = sum(counts)
    groups, items = torch.tensor([0, *np.cumsum(counts)[:-1]]), torch.arange(total) * 10
    order = Order(items, 4, shuffle=True, draws=draws, groups=groups, world=world)
    plan = order.of(epoch)
    assert len(plan) == (draws or total)
    assert set(plan.tolist()) <= set(items.tolist())
    group = np.searchsorted(groups.numpy(), plan.numpy() // 10, side="right") - 1
    taken = np.bincount(group, minlength=len(counts))
    assert taken.max() - taken.min() <= 1
    assert plan.equal(order.of(epoch))
    shares = [
        Order(items, 4, shuffle=True, draws=draws, groups=groups, world=world, rank=rank) for rank in range(world)
    ]
    batches = [one.cut(plan, number) for number in range(order.batches) for one in shares]
    held = [batch for batch, share in batches if share is None or share.weight]
    assert torch.cat(held).equal(plan)


def test_every_window_of_a_group_is_as_likely():
    order = Order(torch.arange(12), 4, shuffle=True, draws=6000, groups=torch.tensor([0, 2]))
    counts = np.bincount(order.of(0).numpy(), minlength=12)
    assert np.abs(counts[:2] - 1500).max() < 150
    assert np.abs(counts[2:] - 300).max() < 80


@pytest.mark.parametrize("draws", [5, 20, None])
def test_fewer_windows_are_others_in_each_epoch(draws: int | None):
    order = Order(torch.arange(20), 4, shuffle=True, draws=draws)
    plans = [order.of(epoch) for epoch in range(40)]
    assert all(len(plan) == len(plan.unique()) == (draws or 20) for plan in plans)
    assert len(torch.cat(plans).unique()) == 20
    assert order.of(3).equal(Order(torch.arange(20), 4, shuffle=True).of(3)[:draws])


def test_items_are_drawn_equally_often():
    def loader(regime: ShuffledWindows):
        data = ForecastDataModule(
            source=TwoSines(series=10, length=30),
            windows=Windows(context=6, horizon=2),
            split=ItemsSplit(),
            regime=regime,
            batch_size=5,
        )
        return data.train_dataloader()

    batches = list(loader(ShuffledWindows(sample="item", windows=21)))
    assert [len(batch.start) for batch in batches] == [5, 5, 5, 5, 1]
    counts = torch.cat([batch.item for batch in batches]).bincount()
    assert counts.tolist() == [3] * 7
    whole = list(loader(ShuffledWindows()))
    assert (
        torch.cat([batch.start for batch in whole]).sort().values.tolist()
        == loader(ShuffledWindows()).order.items.tolist()
    )
