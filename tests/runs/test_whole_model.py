"""A model built from a description that names an imputation model, which may come from a stranger."""

import copy
import os
from dataclasses import replace

import pytest
import synthetic
import torch
from imputers import imputer_of
from model_forms import CONTEXT, HORIZON, TARGETS

from recast.data.spec import ImputerSpec, SeriesSpec
from recast.errors import ConfigurationError
from recast.nn.models.context_imputer import ContextImputer
from recast.runs.checkpoints.spec import checked_series_spec
from recast.runs.checkpoints.whole_model import whole_model
from recast.training.nodes import node_of

HEAD = {"_target_": "recast.nn.heads.point.Point"}
CELL = {"_target_": "recast.nn.cells.gru.GRU", "_partial_": True, "hidden_size": 3}
DIRECT = {"_target_": "recast.nn.models.direct.Direct", "_partial_": True, "cell": CELL, "head": HEAD}


def spec_of() -> SeriesSpec:
    """A forecast's data with an imputer."""
    spec = synthetic.spec_of(targets=TARGETS, context=CONTEXT, horizon=HORIZON, masked=True)
    own = replace(spec, horizon=CONTEXT)
    node = node_of(imputer_of("brits", own), key="model", without=("spec",))
    return replace(spec, imputer=ImputerSpec(model=node, spec=own))


def test_a_description_comes_back_from_plain_containers():
    assert checked_series_spec(spec_of().to_dict()) == spec_of()


def test_each_member_of_an_ensemble_has_the_imputer():
    node = {
        "_target_": "recast.nn.ensemble.ensemble.Ensemble",
        "_partial_": True,
        "members": {"1": DIRECT, "2": DIRECT},
        "combine": "mean",
    }
    model = whole_model(node, spec_of())
    assert len([part for part in model.modules() if isinstance(part, ContextImputer)]) == 2
    batch = synthetic.batch_of(model.spec).to_precision(torch.float32)
    assert model(batch).isfinite().all()


@pytest.mark.parametrize(
    "node",
    [
        {"_target_": "os.system", "command": "true"},
        {"_target_": "subprocess.Popen", "_partial_": True, "args": "true"},
        DIRECT,
        {},
    ],
    ids=str,
)
def test_a_description_that_names_something_else_runs_nothing(node, monkeypatch):
    monkeypatch.setattr(os, "system", lambda *_: pytest.fail("it ran"))
    spec = replace(spec_of(), imputer=ImputerSpec(model=node, spec=spec_of().imputer.spec))
    with pytest.raises(ConfigurationError):
        whole_model(DIRECT, spec)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda found: found["imputer"].update(extra=1), "expected the fields model, spec"),
        (lambda found: found["imputer"].update(model=3), "model"),
        (lambda found: found["imputer"]["spec"].update(horizon=3), "the steps of a window"),
        (lambda found: found["imputer"]["spec"].update(imputer=copy.deepcopy(found["imputer"])), "another one"),
    ],
)
def test_a_damaged_description_is_refused(change, says):
    found = copy.deepcopy(spec_of().to_dict())
    change(found)
    with pytest.raises(ConfigurationError, match=says):
        checked_series_spec(found)
