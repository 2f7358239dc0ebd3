"""The item of a panel as a category that models embed."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from recast.data.panel import ITEM, Panel, columns_of
from recast.data.prepare.grid import ErrorGrid
from recast.data.prepare.prepare import Prepared, prepare
from recast.data.prepare.scale import Standard
from recast.data.prepare.split import FractionSplit, ItemsSplit
from recast.data.prepare.windows import Windows
from recast.errors import DataError
from recast.nn.cells.gru import GRU
from recast.nn.heads.point import Point
from recast.nn.models.direct import Direct
from recast.runs.checkpoints.spec import checked_series_spec


def panel_of(ids: tuple[str, ...]) -> Panel:
    rows = 40 * len(ids)
    return Panel(
        columns=columns_of(targets=["y"]),
        values=np.random.default_rng(0).normal(size=(rows, 1)),
        starts=np.arange(0, rows, 40),
        label="panel",
        times=np.datetime64("2020-01-01", "ns") + np.tile(np.arange(40), len(ids)) * np.timedelta64(1, "h"),
        step="h",
        items=np.arange(len(ids)),
        ids=ids,
    )


def prepared_of(panel: Panel, split: object = None, **options: object) -> Prepared:
    return prepare(
        panel,
        grid=ErrorGrid(),
        split=split or FractionSplit(validation=0.2),
        scaler=Standard(),
        windows=Windows(context=4, horizon=2),
        **{"item_category": True, **options},
    )


def test_each_item_is_a_level():
    prepared = prepared_of(panel_of(("a", "b", "c")))
    assert [(column.name, column.levels) for column in prepared.spec.static] == [(ITEM, ("a", "b", "c"))]
    batch = prepared.storage.windows(prepared.starts.train, 4, 2)
    assert batch.categories.static[:, 0].equal(batch.item)
    assert checked_series_spec(prepared.spec.to_dict()) == prepared.spec


def test_a_model_embeds_it():
    prepared = prepared_of(panel_of(("a", "b", "c")))
    model = Direct(spec=prepared.spec, cell=partial(GRU, hidden_size=4), head=Point())
    batch = prepared.storage.windows(prepared.starts.train[:1], 4, 2)
    same = batch.categories._replace(static=torch.tensor([[2]]))
    assert not model(batch).equal(model(batch._replace(categories=same)))


def test_items_without_training_rows_are_unknown():
    prepared = prepared_of(panel_of(tuple("abcde")), ItemsSplit(validation=0.2, test=0.2))
    assert prepared.spec.static[0].levels == ("a", "b", "c")
    for part in ("validation", "test"):
        batch = prepared.storage.windows(getattr(prepared.starts, part), 4, 2)
        assert (batch.categories.static == 3).all()


def test_other_data_are_told_apart_by_the_names_of_the_training():
    spec = prepared_of(panel_of(("a", "b", "c"))).spec
    other = prepared_of(panel_of(("c", "new", "a")), trained=spec)
    batch = other.storage.windows(other.starts.test, 4, 2)
    assert torch.tensor([2, 3, 0])[batch.item].equal(batch.categories.static[:, 0])


def test_one_item_alone_is_no_category():
    with pytest.raises(DataError, match=r"1 item has training rows.*data\.item_category=false"):
        prepared_of(panel_of(("a",)))
    assert not prepared_of(replace(panel_of(("a",))), item_category=False).spec.static
