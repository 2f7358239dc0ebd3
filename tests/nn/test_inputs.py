"""Every role and kind of column reaches every form of model; what was not observed changes nothing."""

from functools import partial

import pytest
import synthetic
import torch
from model_forms import HALFWAY, HORIZON, MODELS, ONE_STEP, TARGETS, model_of
from synthetic import LEVELS, batch_of, with_weights
from torch import Tensor

from recast.data.panel import Column, columns_of
from recast.data.spec import PanelSpec
from recast.errors import ConfigurationError
from recast.nn.cells.gru import GRU
from recast.nn.heads.point import Point
from recast.nn.models.classifier import Classifier
from recast.nn.models.encoder_decoder import EncoderDecoder
from recast.nn.models.history import held_history
from recast.nn.models.inputs import Inputs
from recast.nn.models.model import ForecastModel
from recast.nn.models.origins import seen_from_origins
from recast.nn.models.segment import Segment
from recast.nn.recurrence.engine import Engine, using
from recast.nn.schedules import Constant, Never
from recast.types import Batch

CONTEXT = 10
spec_of = partial(synthetic.spec_of, targets=TARGETS, context=CONTEXT, horizon=HORIZON)
every_model = pytest.mark.parametrize("model", MODELS)


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def readers(feature: str, model: str, **columns: object) -> ForecastModel:
    """A model of that form on data with some columns; skips a form that states that it does not read them."""
    spec = spec_of(**columns)  # pyright: ignore[reportArgumentType]
    built = model_of(model, anchor="last", spec=spec_of())
    if feature not in built.reads:
        with pytest.raises(ConfigurationError, match=type(built).__name__):
            model_of(model, spec=spec)
        pytest.skip(f"{type(built).__name__} states that it does not read {feature}")
    return model_of(model, anchor="last", spec=spec)


def lead_gradients(model: ForecastModel, batch: Batch, part: Tensor) -> Tensor:
    """The gradient of each lead's forecast to a part of the batch, leads first."""
    parameters = model(batch)
    sums = [parameters[:, lead].sum() for lead in range(HORIZON)]
    return torch.stack([torch.autograd.grad(one, part, retain_graph=True)[0] for one in sums])


def test_every_form_states_what_it_reads():
    forms = {"deepar", "direct", "encoder_decoder", "es_rnn", "open_loop_decoder", "per_step", "recursive", "segment"}
    assert {*forms, "vector_to_sequence"} == set(MODELS)
    for model in MODELS:
        assert model_of(model).reads


@every_model
def test_every_lead_reads_the_last_past_value(model):
    built = readers("past", model, past=2)
    batch = batch_of(built.spec)
    gradients = lead_gradients(built, batch, batch.past.requires_grad_())
    assert gradients[:, :, -1].abs().min() > 0


@every_model
def test_every_lead_reads_what_is_known_of_its_own_step(model):
    built = readers("known", model, known=2)
    batch = batch_of(built.spec)
    gradients = lead_gradients(built, batch, batch.known.requires_grad_())
    for lead in range(HORIZON):
        assert gradients[lead][:, CONTEXT + lead].abs().min() > 0, lead
        assert gradients[lead][:, CONTEXT - 1].abs().min() > 0, lead


@every_model
def test_every_lead_reads_the_static_values(model):
    built = readers("static", model, static=2)
    batch = batch_of(built.spec)
    assert lead_gradients(built, batch, batch.static.requires_grad_()).abs().min() > 0


@every_model
def test_every_lead_reads_the_categories(model):
    roles = ("known", "static") if model in ONE_STEP else ("past", "known", "static")
    built = readers("categories", model, categories=roles)
    batch = batch_of(built.spec)
    assert batch.categories is not None
    before = built(batch)

    def changed(part: str, place: slice | int) -> Tensor:
        levels = getattr(batch.categories, part).clone()
        levels[:, place] = (levels[:, place] + 1) % (len(LEVELS) + 1)
        after = built(batch._replace(categories=batch.categories._replace(**{part: levels})))
        return (after - before).abs().amin(dim=(0, 2, 3))

    assert changed("static", slice(None)).min() > 0
    if "past" in roles:
        assert changed("past", CONTEXT - 1).min() > 0
    for lead in range(HORIZON):
        assert changed("known", CONTEXT + lead)[lead] > 0


def scrambled(batch: Batch) -> Batch:
    """Other numbers where nothing was observed; the truth there is NaN."""
    observed = batch.observed
    assert observed is not None

    def noise(values: Tensor, mask: Tensor) -> Tensor:
        return values.where(mask, 100 * torch.randn_like(values))

    return batch._replace(
        history=noise(batch.history, observed.history),
        past=noise(batch.past, observed.past),
        known=noise(batch.known, observed.known),
        target=noise(batch.target, observed.target),
    )


@every_model
@pytest.mark.parametrize(("anchor", "held"), [("last", False), ("linear", False), ("last", True)])
def test_what_was_not_observed_changes_nothing(model, anchor, held):
    columns = {"known": 1, "static": 1, "masked": True, "held": held}
    built = readers("masks", model, **columns)
    columns["past"] = int("past" in built.reads)
    built = model_of(model, anchor=anchor, spec=spec_of(**columns)).train()
    batch = batch_of(built.spec)
    assert built(batch).equal(built(scrambled(batch)))
    one, other = (built.training_forecast(given, HALFWAY) for given in (batch, scrambled(batch)))
    losses = [built.head.loss(found.parameters, found.target, found.observed) for found in (one, other)]
    assert losses[0].equal(losses[1])
    losses[1].backward()
    assert all(weight.grad is None or weight.grad.isfinite().all() for weight in built.parameters())


def test_the_last_observation_is_read_where_the_data_say_so():
    spec = spec_of(past=1, masked=True, held=True)
    inputs, batch = Inputs(spec).double(), batch_of(spec)
    history, past = inputs.history(batch), inputs.past(batch)
    for window in range(len(batch.history)):
        for found, values, observed in (
            (history, batch.history, batch.observed.history),
            (past[..., :1], batch.past, batch.observed.past),
        ):
            for column in range(values.shape[2]):
                last = 0.0
                for step in range(CONTEXT):
                    last = values[window, step, column].item() if observed[window, step, column] else last
                    assert found[window, step, column].item() == last
    # The masks stand beside the values.
    assert past[..., 1:].bool().equal(torch.cat([batch.observed.history, batch.observed.past], dim=-1))


@every_model
def test_a_mask_is_read(model):
    built = readers("masks", model, masked=True)
    batch = batch_of(built.spec)
    assert batch.observed is not None
    hidden = batch.observed.history.clone()
    hidden[:, CONTEXT // 2] = ~hidden[:, CONTEXT // 2]
    other = batch._replace(observed=batch.observed._replace(history=hidden))
    assert (built(batch) - built(other)).abs().amax() > 0


@every_model
def test_an_observed_zero_is_not_a_missing_one(model):
    built = readers("masks", model, masked=True)
    batch = batch_of(built.spec)
    assert batch.observed is not None
    zero = batch._replace(history=batch.history.index_fill(1, torch.tensor([4]), 0.0))
    seen, hidden = batch.observed.history.clone(), batch.observed.history.clone()
    seen[:, 4], hidden[:, 4] = True, False
    found = [built(zero._replace(observed=batch.observed._replace(history=mask))) for mask in (seen, hidden)]
    assert (found[0] - found[1]).abs().amin(dim=(1, 2, 3)).min() > 0


@pytest.mark.parametrize("probability", [0.0, 0.5, 1.0])
def test_a_missing_truth_is_never_fed(probability):
    spec = spec_of(masked=True)
    built = with_weights(
        EncoderDecoder(spec=spec, cell=partial(GRU, hidden_size=4), head=Point(), schedule=Constant(value=probability))
    )
    batch = batch_of(spec)
    assert batch.observed is not None
    batch.observed.target[:] = False
    fed = built.training_forecast(batch, HALFWAY).parameters
    built.schedule = Never()
    assert fed.equal(built.training_forecast(batch, HALFWAY).parameters)


def test_a_missing_value_at_one_of_several_origins_is_held_as_in_a_forecast():
    spec = spec_of(masked=True)
    batch = batch_of(spec)
    assert batch.observed is not None
    batch.observed.history[:] = True
    batch.observed.history[:, 3:6] = False
    seen = seen_from_origins(batch._replace(origins=(5, CONTEXT)), reach=1)
    assert held_history(seen)[0::2, -1].equal(batch.history[:, 2])
    assert held_history(seen)[1::2, -1].equal(batch.history[:, -1])


@pytest.mark.parametrize(
    ("build", "columns", "message"),
    [
        (partial(EncoderDecoder, schedule=Never(), tied=True), {"past": 1}, r"past inputs \(c\); use tied=False"),
        (partial(EncoderDecoder, schedule=Never(), tied=True), {"masked": True}, r"masks \(.*\); use tied=False"),
        (partial(Segment, segment=5, decoding="recurrent"), {"masked": True}, "use decoding=parallel"),
    ],
)
def test_options_that_cannot_read_some_data_refuse_them_in_one_line(build, columns, message):
    with pytest.raises(ConfigurationError, match=message) as raised:
        build(spec=spec_of(**columns), cell=partial(GRU, hidden_size=4), head=Point())
    assert "\n" not in str(raised.value)


def test_plain_numbers_are_not_copied_or_joined():
    spec = spec_of()
    batch = batch_of(spec)
    assert Inputs(spec).context(batch) is batch.history
    assert not list(Inputs(spec).parameters())


def test_the_order_of_what_is_read():
    spec = spec_of(past=1, known=1, static=1, masked=True)
    inputs, batch = Inputs(spec).double(), batch_of(spec)
    assert batch.observed is not None
    history, past, known, _ = batch.observed
    expected = torch.cat(
        [
            batch.history * history,
            batch.past * past,
            history,
            past,
            (batch.known * known)[:, :CONTEXT],
            known[:, :CONTEXT],
            batch.static.unsqueeze(1).expand(-1, CONTEXT, -1),
        ],
        dim=-1,
    )
    assert inputs.context(batch).equal(expected)
    assert inputs.context_size == expected.shape[-1]


@pytest.mark.parametrize("model", ["direct", "encoder_decoder", "per_step", "recursive"])
def test_all_kinds_of_inputs_run_compiled(model):
    """The engine keeps its reach: forced to its compiled implementation it refuses nothing, and gives the same."""
    past = 0 if model == "recursive" else 1
    built = model_of(model, anchor="last", spec=spec_of(past=past, known=1, static=1, periods=1, masked=True))
    batch = batch_of(built.spec)
    found = []
    for implementation in ("plain", "numba"):
        with using(Engine(implementation=implementation)), torch.no_grad():
            found.append(built(batch))
    torch.testing.assert_close(found[0], found[1], rtol=1e-9, atol=1e-10)


# Sequences


def sequence_spec(**changes: object) -> PanelSpec:
    columns = (*columns_of(past=["a", "b"]), Column("level", role="past", levels=LEVELS))
    statics = (Column("size", role="static"), Column("class", role="target", levels=("x", "y", "z")))
    numbers = (0.0,) * 3, (1.0,) * 3
    return PanelSpec(
        columns=columns,
        offset=numbers[0],
        scale=numbers[1],
        static=statics,
        static_offset=(0.0, 0.0),
        static_scale=(1.0, 1.0),
        masked=True,
    )


def test_a_classifier_reads_masks_static_values_and_categories():
    spec = sequence_spec()
    model = with_weights(Classifier(spec=spec, cell=partial(GRU, hidden_size=4)))
    batch = Batch(
        history=torch.zeros(2, 5, 0, dtype=torch.float64),
        past=torch.randn(2, 5, 2, dtype=torch.float64),
        known=torch.zeros(2, 5, 0, dtype=torch.float64),
        static=torch.randn(2, 1, dtype=torch.float64),
        target=torch.zeros(2, 0, 0, dtype=torch.float64),
        start=torch.arange(2),
        item=torch.arange(2),
        observed=synthetic.Observed(
            history=torch.zeros(2, 5, 0, dtype=torch.bool),
            past=torch.rand(2, 5, 2) < 0.7,
            known=torch.zeros(2, 5, 0, dtype=torch.bool),
            target=torch.zeros(2, 0, 0, dtype=torch.bool),
        ),
        categories=synthetic.Categories(
            past=torch.randint(4, (2, 5, 1)),
            known=torch.zeros(2, 5, 0, dtype=torch.int64),
            static=torch.zeros(2, 0, dtype=torch.int64),
        ),
        lengths=torch.tensor([5, 3]),
    )
    assert batch.observed is not None
    assert batch.categories is not None
    scores = model(batch)
    assert scores.shape == (2, 3)
    noisy = batch.past.where(batch.observed.past, 7.0)
    assert model(batch._replace(past=noisy)).equal(scores)
    for changed in (
        batch._replace(observed=batch.observed._replace(past=~batch.observed.past)),
        batch._replace(static=batch.static + 1),
        batch._replace(categories=batch.categories._replace(past=(batch.categories.past + 1) % 4)),
    ):
        assert (model(changed) - scores).abs().min() > 0
