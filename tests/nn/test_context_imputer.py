"""Contexts of forecasts filled by an imputation model: what is read, from where, and what never is."""

from dataclasses import replace
from functools import partial
from typing import ClassVar

import pytest
import synthetic
import torch
from imputers import IMPUTERS, ONE_ORIGIN, filled_by, imputer_of, scaled
from model_forms import CONTEXT, HALFWAY, HORIZON, MODELS, TARGETS, model_of
from synthetic import batch_of, with_weights

from recast.data.local_scaling import LocalScaling
from recast.data.panel import Column
from recast.data.prepare.local_scales import of_context
from recast.data.spec import Feature, ImputerSpec, SeriesSpec
from recast.errors import ConfigurationError
from recast.nn.cells.gru import GRU
from recast.nn.models.bidirectional_imputer import BidirectionalImputer
from recast.nn.models.context_imputer import ContextImputer
from recast.nn.models.history import last_observed
from recast.nn.models.imputer import Imputation, Imputer
from recast.nn.models.inputs import Inputs
from recast.nn.models.reads import EVERYTHING
from recast.types import Batch, Observed

spec_of = partial(synthetic.spec_of, targets=TARGETS, context=CONTEXT, horizon=HORIZON, masked=True)
every_form = pytest.mark.parametrize("form", MODELS)


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


class LastSeen(Imputer):
    """What `held` reads, as an imputer."""

    reads: ClassVar[frozenset[Feature]] = EVERYTHING

    def forward(self, batch: Batch) -> Imputation:
        assert batch.observed is not None
        found = last_observed(batch.history, batch.observed.history)
        return Imputation(found, found.unsqueeze(0), found.new_zeros(found.shape[0]))


def seen_of(batch: Batch) -> Observed:
    assert batch.observed is not None
    return batch.observed


def with_noise(batch: Batch) -> Batch:
    """Other values where nothing was observed, and others and other masks of all that follows the origin."""
    seen = seen_of(batch)
    noisy = batch.history.where(seen.history, torch.full_like(batch.history, 1e3).normal_())
    hidden = seen._replace(target=~seen.target)
    return batch._replace(history=noisy, target=torch.randn_like(batch.target), observed=hidden)


@pytest.mark.parametrize("name", IMPUTERS)
@pytest.mark.parametrize("window", [False, True])
def test_filled_values_are_those_of_the_imputer_in_its_own_unit(name, window):
    read = {"past": 1, "known": 1} if name == "bidirectional_imputer" else {}
    own = scaled(spec_of(**read), 20.0, 3.0)
    # The same columns in another order, in another scaling, among others.
    spec = scaled(spec_of(past=1, known=2, periods=1), -7.0, 0.25)
    order = [1, 0, 2, 4, 3]
    spec = replace(
        spec,
        columns=tuple(
            replace(spec.columns[place], role=column.role) for place, column in zip(order, spec.columns, strict=True)
        ),
    )
    if not read:
        own = scaled(spec_of(), 20.0, 3.0)
    batch = batch_of(spec)
    seen, dtype = seen_of(batch), torch.float64
    offset, scale = (torch.tensor(numbers, dtype=dtype) for numbers in (spec.offset, spec.scale))
    location, size = offset[:TARGETS], scale[:TARGETS]
    if window:
        spec = replace(spec, local=LocalScaling(statistic="standard"))
        scaling = of_context(torch.randn_like(batch.history) * 9 + 5, seen.history, spec.local)
        batch = batch._replace(scaling=scaling)
        location, size = scaling.location, scaling.scale
    imputer = imputer_of(name, own)
    found = ContextImputer(imputer=imputer, spec=spec).double()(batch)

    # In the data's unit, by column name.
    values = {
        **dict(zip(spec.target_names, (batch.history * size + location).unbind(-1), strict=True)),
        spec.names[2]: (batch.past * scale[2] + offset[2])[..., 0],
        **dict(zip(spec.names[3:], (batch.known[:, :CONTEXT, :2] * scale[3:] + offset[3:]).unbind(-1), strict=True)),
    }
    masks = dict(
        zip(spec.names, torch.cat([seen.history, seen.past, seen.known[:, :CONTEXT]], -1).unbind(-1), strict=False)
    )
    columns = [
        ((values[name] - of) / by).where(masks[name], 0.0)
        for name, of, by in zip(own.names, own.offset, own.scale, strict=True)
    ]
    numbers, shown = torch.stack(columns, -1), torch.stack([masks[name] for name in own.names], -1)
    parts = numbers.split([TARGETS, len(own.reals("past")), len(own.reals("known"))], -1)
    sight = shown.split([part.shape[-1] for part in parts], -1)
    wanted = imputer(
        Batch.of(parts[0], parts[0][:, :0], parts[1], parts[2])._replace(
            observed=Observed(*sight, target=sight[0][:, :0])
        )
    ).mean
    wanted = wanted * torch.tensor(own.target_scale, dtype=dtype) + torch.tensor(own.target_offset, dtype=dtype)
    for place, name in enumerate(spec.target_names):
        missing = ~seen.history[..., place]
        assert missing.any()
        unit = found * size + location
        torch.testing.assert_close(
            unit[..., place][missing], wanted[..., own.target_names.index(name)][missing], rtol=1e-12, atol=1e-12
        )
    # Observations are the same to the last bit.
    assert found[seen.history].equal(batch.history[seen.history])


@every_form
def test_what_was_not_observed_and_what_follows_the_origin_change_nothing(form):
    model = filled_by(form, imputer_of("bidirectional_imputer", scaled(spec_of(), 5.0, 2.0)), spec_of())
    batch = batch_of(model.spec)
    assert model(batch).equal(model(with_noise(batch)))


@every_form
def test_every_form_reads_the_filled_values(form):
    one, other = (filled_by(form, imputer_of("brits", spec_of()), spec_of()) for _ in range(2))
    other.load_state_dict(
        {name: value for name, value in one.state_dict().items() if "imputer" not in name}, strict=False
    )
    batch = batch_of(one.spec)
    seen_of(batch).history[:, 4] = False
    assert (one(batch) - other(batch)).abs().amin(dim=(1, 2, 3)).min() > 0
    # Without a gap there is nothing to fill.
    whole = batch._replace(observed=seen_of(batch)._replace(history=torch.ones_like(seen_of(batch).history)))
    assert one(whole).equal(other(whole))


# The network of es_rnn reads what smoothing leaves, which is held there, not the value.
@pytest.mark.parametrize("form", [form for form in MODELS if form != "es_rnn"])
@pytest.mark.parametrize("scale", [1.0, 8.0])
def test_an_imputer_that_holds_the_last_value_is_hold(form, scale):
    own = replace(spec_of(), scale=(scale,) * TARGETS)
    model = filled_by(form, LastSeen(spec=own), spec_of())
    twin = model_of(form, anchor="last", spec=spec_of(held=True), **ONE_ORIGIN.get(form, {}))
    twin.load_state_dict(model.state_dict())
    batch = batch_of(model.spec)
    seen_of(batch).history[:, 0] = True
    assert model(batch).equal(twin(batch))


@pytest.mark.parametrize("options", [{"subtract_last": True}, {"subtract_last": False}])
@pytest.mark.parametrize("form", ["segment", "open_loop_decoder"])
def test_it_fills_values_not_differences(form, options):
    own = replace(spec_of(), offset=(5.0,) * TARGETS)
    model = filled_by(form, LastSeen(spec=own), spec_of(), **options)
    twin = model_of(form, anchor="last", spec=spec_of(held=True), **options)
    twin.load_state_dict(model.state_dict())
    batch = batch_of(model.spec)
    seen_of(batch).history[:, 0] = True
    torch.testing.assert_close(model(batch), twin(batch), rtol=1e-12, atol=1e-12)


@every_form
def test_training_leaves_the_imputer_as_it_is(form):
    model = filled_by(form, imputer_of("bidirectional_imputer", spec_of()), spec_of()).train()
    filling = [part for part in model.modules() if isinstance(part, ContextImputer)]
    assert len(filling) == 1
    found = model.training_forecast(batch_of(model.spec), HALFWAY)
    model.head.loss(found.parameters, found.target, found.observed).backward()
    own = set(filling[0].parameters())
    assert own
    assert all(weight.grad is None for weight in own)
    assert any(weight.grad is not None for weight in model.parameters())


def test_nothing_is_dropped_in_it_while_the_forecast_is_trained():
    cell = partial(GRU, hidden_size=3)
    imputer = with_weights(BidirectionalImputer(spec=spec_of(), cell=cell, layers=2, dropout=0.5))
    filling, batch = ContextImputer(imputer=imputer, spec=spec_of()), batch_of(spec_of())
    still = filling.eval()(batch)
    assert filling.train()(batch).equal(still)


def test_its_scaling_stays_exact_where_weights_are_converted():
    filling = ContextImputer(imputer=imputer_of("brits", scaled(spec_of(), 1e5, 0.1)), spec=spec_of()).bfloat16()
    assert filling.own_offset.tolist() == [1e5, 2e5]
    assert filling.imputer.precision == torch.bfloat16
    assert not [name for name in filling.state_dict() if not name.startswith("imputer.")]


def other_units() -> SeriesSpec:
    spec = spec_of()
    return replace(spec, columns=tuple(Column(column.name, "cm", column.role) for column in spec.columns))


@pytest.mark.parametrize(
    ("own", "says"),
    [
        (synthetic.spec_of(targets=1, context=4, horizon=4, masked=True), r"fills a \[m\], but .* are a \[m\], b "),
        (other_units(), r"fills a \[cm\], b \[cm\], but"),
        (replace(spec_of(), step="10min"), "a row every 10min, but the data have one every h"),
        (spec_of(known=2), r"reads d \[m\], which the data of the forecast lack"),
        (spec_of(past=1, known=1, static=1), r"static inputs or categories \(static 0\)"),
        (spec_of(categories=("known",)), r"static inputs or categories \(known level\)"),
    ],
)
def test_an_imputer_of_other_data_is_refused_in_one_line(own, says):
    imputer = IMPUTERS["bidirectional_imputer"](spec=own)
    with pytest.raises(ConfigurationError, match=says) as caught:
        ContextImputer(imputer=imputer, spec=spec_of(past=1))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("form", ["per_step", "recursive", "deepar"])
def test_a_form_that_learns_from_every_step_is_refused(form):
    spec = replace(spec_of(), imputer=ImputerSpec(model={}, spec=spec_of()))
    remedy = f"use model.origins={ONE_ORIGIN[form]['origins']}"
    with pytest.raises(ConfigurationError, match=rf"they would know what follows.*model.origins.*; {remedy}, or"):
        model_of(form, anchor="last", spec=spec)


def test_several_origins_in_a_window_are_refused():
    model = filled_by("direct", imputer_of("brits", spec_of()), spec_of())
    with pytest.raises(ConfigurationError, match="data/regime=multi_origin"):
        model.training_forecast(batch_of(model.spec)._replace(origins=(5, CONTEXT)), HALFWAY)


def test_inputs_without_the_imputer_that_the_data_name_say_so():
    spec = replace(spec_of(), imputer=ImputerSpec(model={}, spec=spec_of()))
    with pytest.raises(RuntimeError, match="was not given"):
        Inputs(spec).history(batch_of(spec))
