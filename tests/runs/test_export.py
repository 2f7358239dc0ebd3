"""A trained model as one graph: it forecasts what the model does, without recast, or is refused in one line."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import get_args

import numpy as np
import onnx
import pandas as pd
import pytest
import torch
import yaml
from commands import scratch
from imputers import IMPUTERS, filled_by, imputer_of
from model_forms import ANCHORS, CELLS, CONTEXT, HEADS, HORIZON, MODELS, ONE_STEP, model_of, part, spec_of

import recast
from recast.cli.export import export as command
from recast.data.local_scaling import LocalScaling
from recast.data.panel import Column
from recast.data.spec import SeriesSpec
from recast.errors import ConfigurationError, InputError
from recast.nn.attention import Luong
from recast.nn.ensemble.ensemble import Combine, Ensemble
from recast.nn.heads.point import Point
from recast.nn.models.model import ForecastModel
from recast.nn.schedules import Never
from recast.runs.checkpoints.checkpoint import described
from recast.runs.configure.build import build
from recast.runs.configure.folders import conf_folder
from recast.runs.export import export as module
from recast.runs.export.contract import windows_of
from recast.runs.export.export import Exported, export
from recast.runs.export.random_windows import random_panel
from recast.scoring.calibration.adaptive import Adaptive
from recast.scoring.calibration.score_table import ScoreTable
from recast.scoring.calibration.split import Split

EVERYTHING = {"past": 1, "known": 1, "static": 1, "categories": ("past", "known", "static"), "masked": True}


def exported(model: ForecastModel, form: str = "onnx", levels: list[float] | None = None) -> Exported:
    """A graph of a model in float32, whose export has compared it with the model."""
    return export(model.float(), None, form, levels or [])


def refused(*arguments: str) -> str:
    with pytest.raises(InputError) as caught:
        command(list(arguments))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def scaled(spec: SeriesSpec) -> SeriesSpec:
    """The same with a scaling that does something."""
    numbers = range(len(spec.columns))
    reals = [not column.is_category for column in spec.columns]
    return replace(
        spec,
        offset=tuple(100.0 * (1 + place) * real for place, real in zip(numbers, reals, strict=True)),
        scale=tuple(1.0 + 4 * place * real for place, real in zip(numbers, reals, strict=True)),
    )


FAST = [
    (form, cell) for form, cell in product(MODELS, CELLS) if cell == "gru" or (form, cell[:3]) == ("direct", "min")
] + [("encoder_decoder", cell) for cell in CELLS if cell != "gru"]
MATRIX = [
    pytest.param(*pair, marks=() if pair in FAST else pytest.mark.slow, id="-".join(pair))
    for pair in product(MODELS, CELLS)
]


@pytest.mark.parametrize(("form", "cell"), MATRIX)
def test_each_form_with_each_cell_is_the_same_as_a_graph(form, cell):
    model = model_of(form, cell, spec=scaled(spec_of()))
    if (form, cell) == ("deepar", "dilated"):
        # Two layers: ONNX keeps the batch of the second one's states as it was at export. The check finds it.
        with pytest.raises(ConfigurationError, match="use another format"):
            exported(model)
        assert exported(model, "torch_export").errors["random windows"] < 1e-5
        return
    assert exported(model).errors["random windows"] < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize(("form", "cell"), [*((form, "gru") for form in MODELS), ("direct", "lstm")])
def test_each_form_is_the_same_as_a_program_of_torch(form, cell):
    assert exported(model_of(form, cell), "torch_export").errors["random windows"] < 1e-5


@pytest.mark.parametrize(("form", "held"), [*((form, False) for form in MODELS), ("direct", True), ("segment", True)])
def test_every_role_with_masks_and_categories(form, held):
    roles = EVERYTHING | ({"past": 0, "categories": ("known", "static")} if form in ONE_STEP else {})
    roles["held"] = held
    found = exported(model_of(form, anchor="last", spec=scaled(spec_of(**roles))))
    assert found.errors["random windows"] < 1e-5


LOCAL = LocalScaling(statistic="standard", ids=("series 0",), offset=((5.0, 7.0),), scale=((2.0, 3.0),))


@pytest.mark.parametrize("local", [None, LOCAL], ids=["one scaling", "by item or window"])
@pytest.mark.parametrize("name", IMPUTERS)
def test_an_imputer_is_part_of_the_graph(name, local):
    spec = scaled(spec_of(masked=True))
    imputer = imputer_of(name, replace(scaled(spec_of(masked=True)), periods=()))
    found = exported(filled_by("direct", imputer, replace(spec, local=local)))
    assert found.errors["random windows"] < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("name", IMPUTERS)
def test_an_imputer_is_part_of_a_program_of_torch(name):
    imputer = imputer_of(name, replace(spec_of(masked=True), periods=()))
    model = filled_by("direct", imputer, spec_of(masked=True))
    if name == "m_rnn":
        # Its columns run as one batch, whose size torch takes for a fixed one.
        with pytest.raises(ConfigurationError, match="format=torch_export: Direct cannot be exported"):
            exported(model, "torch_export")
        return
    assert exported(model, "torch_export").errors["random windows"] < 1e-5


@pytest.mark.parametrize("anchor", ANCHORS)
def test_every_anchor_with_masks_and_part_of_its_correction(anchor):
    spec = spec_of(course=part("anchor", anchor).keywords.get("course"), known=1, masked=True)
    model = model_of("direct", anchor=anchor, spec=spec)
    if "share" in dict(model.anchor.named_buffers()):
        model.anchor.share.copy_(torch.linspace(0, 1, HORIZON))
    assert exported(model).errors["random windows"] < 1e-5


@pytest.mark.parametrize(
    "head",
    # Of three seconds or more.
    [pytest.param(head, marks=pytest.mark.slow) if head == "implicit_quantile" else head for head in HEADS],
)
def test_every_head_has_its_mean_and_the_quantiles_that_a_graph_can_have(head):
    model = model_of("direct", head=head)
    assert exported(model).errors["random windows"] < 1e-5
    if model.head.stochastic and not model.head.has_closed_quantiles:
        with pytest.raises(ConfigurationError, match="found by a search"):
            exported(model, levels=[0.8])
        return
    found = exported(model, levels=[0.5, 0.8])
    outputs = [one.name for one in onnx.load_model_from_string(found.content).graph.output]
    assert outputs == (["mean"] if head == "point" else ["mean", "quantiles"])


@pytest.mark.parametrize("form", ["deepar", "encoder_decoder", "recursive", "vector_to_sequence"])
def test_what_feeds_back_draws_is_refused(form):
    with pytest.raises(ConfigurationError, match="a graph draws none"):
        exported(model_of(form, head="gaussian"))


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("statistic", ["mean", "last", "standard", "minmax"])
def test_windows_that_are_scaled_by_themselves(statistic, masked):
    spec = replace(spec_of(masked=masked), local=LocalScaling(statistic=statistic, level=True))
    assert exported(model_of("direct", spec=spec)).errors["random windows"] < 1e-5


def test_items_have_their_own_scaling_and_others_that_of_their_context():
    own = LocalScaling(
        statistic="mean", ids=("a", "b"), offset=((5.0, 50.0), (-3.0, 900.0)), scale=((2.0, 3.0), (0.1, 40.0))
    )
    spec = replace(spec_of(), local=own)
    assert "item" in windows_of(random_panel(spec, 4, 0), spec, np.array([0]))
    assert exported(model_of("direct", spec=spec)).errors["random windows"] < 1e-5


@pytest.mark.parametrize("name", [path.stem for path in sorted((conf_folder() / "calibration").glob("*.yaml"))])
def test_the_band_of_every_calibration(name):
    node = yaml.safe_load((conf_folder() / "calibration" / f"{name}.yaml").read_text())
    model, calibrated = model_of("direct", head="quantile").float(), None
    if "_target_" in node:
        calibration = build(node)
        shape = (200, calibration.kinds, HORIZON, model.spec.targets)
        calibrated = calibration.calibrated(ScoreTable.of(torch.rand(shape, dtype=torch.float64)))
    found = export(model, calibrated, "onnx", [0.5, 0.8])
    outputs = [one.name for one in onnx.load_model_from_string(found.content).graph.output]
    assert outputs == ["mean", "quantiles"]
    assert found.errors["random windows"] < 1e-5


@pytest.mark.parametrize("combine", get_args(Combine))
def test_an_ensemble_is_one_graph(combine):
    spec = scaled(spec_of())
    members = {form: partial(model_of, form) for form in ("direct", "segment", "encoder_decoder")}
    made = Ensemble(spec=spec, members=members, combine=combine)
    made.weights.copy_(torch.tensor([0.5, 0.3, 0.2]))
    assert exported(made).errors["random windows"] < 1e-5


def test_columns_that_count_from_the_origin():
    columns = (*spec_of(past=1).columns, Column("elapsed", unit="h", role="known", from_origin=True))
    spec = replace(spec_of(past=1), columns=columns, offset=(0.0, 0.0, 0.0, 5.0), scale=(1.0, 1.0, 1.0, 30.0))
    found = exported(model_of("direct", spec=spec))
    assert found.errors["random windows"] < 1e-5


def test_luong_attention_and_both_directions():
    model = part("cell", "gru")
    built = model_of("encoder_decoder").__class__

    found = built(
        spec=spec_of(), cell=model, head=Point(), schedule=Never(), attention=Luong, bidirectional=True
    ).eval()
    assert exported(found).errors["random windows"] < 1e-5


def test_double_precision_is_refused():
    with pytest.raises(ConfigurationError, match="float64"):
        export(model_of("direct"), None, "onnx", [])


def test_a_graph_that_is_not_its_model_is_refused(monkeypatch):
    true = module.run_onnx
    monkeypatch.setattr(module, "run_onnx", lambda *given: [found + 1e-2 for found in true(*given)])
    with pytest.raises(ConfigurationError, match="nothing was written"):
        exported(model_of("direct"))


ROWS, OPTIONS = (
    500,
    (
        "data=csv",
        "data.source.time=when",
        "data.source.targets=[level,flow]",
        "data.source.past=[rain]",
        "data.source.known=[plan,day]",
        "data.source.categories=[day]",
        "data.source.missing=[nan]",
        "data/grid=mask",
        "data.periods=[24]",
        f"data.windows.context={CONTEXT}",
        f"data.windows.horizon={HORIZON}",
        "data.split.validation=0.25",
        "model.cell.hidden_size=4",
        "trainer.max_epochs=1",
        "callbacks.progress_bar=null",
        "callbacks.figures=null",
        "baselines=none",
        "logger=none",
    ),
)


def table() -> pd.DataFrame:
    draws = np.random.default_rng(0)
    times = pd.date_range("2024-01-01", periods=ROWS, freq="h")
    numbers = draws.normal(size=(4, ROWS)) * [[1.0], [30.0], [5.0], [2.0]] + [[0.0], [1000.0], [4.0], [50.0]]
    frame = pd.DataFrame({"when": times, **dict(zip(("level", "flow", "rain", "plan"), numbers, strict=True))})
    frame.loc[draws.random(ROWS) < 0.1, "rain"] = np.nan
    return frame.assign(day=times.day_name())


@pytest.fixture(scope="module")
def run() -> Path:
    """A run on columns of all roles, with bands; beside it what a forecast reads."""
    folder = scratch()
    frame = table()
    frame.to_csv(folder / "whole.csv", index=False, na_rep="nan")
    frame[:-HORIZON].to_csv(folder / "past.csv", index=False, na_rep="nan")
    frame[["when", "plan", "day"]][-HORIZON:].to_csv(folder / "known.csv", index=False)
    words = [*OPTIONS, f"data.source.path={folder / 'past.csv'}", "calibration=split"]
    return recast.fit(overrides=words, folder=folder / "run").folder


@pytest.fixture(scope="module")
def file(run) -> Path:
    folder, output = run.parent, run.parent / "model.onnx"
    command([*words_of(run), f"output={output}", f"input={folder / 'past.csv'}", f"known={folder / 'known.csv'}"])
    return output


def words_of(run: Path) -> list[str]:
    return [f"checkpoint={run / 'checkpoints' / 'best.ckpt'}", "levels=[0.5,0.8]"]


ALONE = """
import json, sys

ALLOWED = {"numpy", "onnxruntime", "flatbuffers", "google", "coloredlogs", "humanfriendly", "packaging"}


class Alone:
    def find_spec(self, name, path=None, target=None):
        first = name.partition(".")[0]
        if first not in ALLOWED | set(sys.stdlib_module_names):
            raise ImportError(f"{name} is not there")


sys.meta_path.insert(0, Alone())
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession(sys.argv[1])
told = json.loads(session.get_modelmeta().custom_metadata_map["recast"])
given = dict(np.load(sys.argv[2]))
assert {one["name"] for one in told["inputs"]} == set(given) == {one.name for one in session.get_inputs()}
mean, quantiles = session.run(["mean", "quantiles"], given)
several = {name: np.concatenate([array] * 7) for name, array in given.items()}
assert np.abs(session.run(["mean"], several)[0] - mean).max() < 1e-5 * np.abs(mean).max()
assert not {"torch", "recast", "pandas"} & set(sys.modules)
np.savez(sys.argv[3], mean=mean, quantiles=quantiles, levels=told["levels"])
"""


@pytest.mark.slow
def test_a_process_with_onnx_runtime_and_numpy_forecasts_as_recast_does(run, file, tmp_path):
    frame = table()
    wanted = recast.load(run).forecast(
        frame[:-HORIZON], known=frame[["when", "plan", "day"]][-HORIZON:], levels=(0.5, 0.8)
    )
    rows, told = frame[-HORIZON - CONTEXT :], json.loads(onnx.load(file).metadata_props[0].value)
    levels = {column["name"]: column["levels"] for one in told["inputs"] for column in one["columns"]}["day"]
    given = {
        "history": rows[["level", "flow"]].to_numpy()[None, :CONTEXT],
        "past": rows[["rain"]].to_numpy()[None, :CONTEXT],
        "known": rows[["plan"]].to_numpy()[None],
        "hours": (rows["when"].to_numpy().astype("datetime64[h]").astype(np.float64))[None],
        "known_levels": np.array([[[levels.index(day)] for day in rows["day"]]]),
    }
    np.savez(tmp_path / "given.npz", **given)
    words = [sys.executable, "-c", ALONE, file, tmp_path / "given.npz", tmp_path / "found.npz"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"]})
    assert done.returncode == 0, done.stderr
    found = np.load(tmp_path / "found.npz")
    assert found["levels"].tolist() == pytest.approx([0.1, 0.25, 0.75, 0.9])
    for place, (name, scale) in enumerate((("level", 1.0), ("flow", 30.0))):
        columns = [f"{name}_lower_80", f"{name}_lower_50", f"{name}_upper_50", f"{name}_upper_80"]
        np.testing.assert_allclose(found["mean"][0, :, place], wanted[name], atol=1e-5 * scale, rtol=1e-5)
        bands = wanted[columns].to_numpy().T
        np.testing.assert_allclose(found["quantiles"][0, :, :, place], bands, atol=1e-5 * scale, rtol=1e-5)


def test_the_metadata_say_what_a_program_must_know(file):
    told = json.loads(onnx.load(file).metadata_props[0].value)
    assert (told["context"], told["horizon"], told["step"], told["calibration"]) == (CONTEXT, HORIZON, "h", "Split")
    assert [one["name"] for one in told["inputs"]] == ["history", "past", "known", "hours", "known_levels"]
    assert told["inputs"][0]["shape"] == ["batch", CONTEXT, 2]
    assert [column["name"] for column in told["outputs"][0]["columns"]] == ["level", "flow"]
    assert set(told["target_scaling"]["scale"]) == {"level", "flow"}


@pytest.mark.slow
def test_the_command_says_what_it_compared(run, tmp_path, capsys):
    command([*words_of(run), f"output={tmp_path / 'model.onnx'}"])
    assert "random windows" in (said := capsys.readouterr().out)
    assert "real windows" not in said
    command(
        [
            *words_of(run),
            f"output={tmp_path / 'model.onnx'}",
            f"input={run.parent / 'past.csv'}",
            f"known={run.parent / 'known.csv'}",
        ]
    )
    assert "real windows" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


@pytest.mark.slow
def test_a_program_of_torch_tells_the_same(run, tmp_path):
    command([*words_of(run), "format=torch_export", f"output={tmp_path / 'model.pt2'}"])
    files = {"recast.json": ""}
    torch.export.load(tmp_path / "model.pt2", extra_files=files)
    assert json.loads(files["recast.json"])["horizon"] == HORIZON


def test_an_adaptive_band_is_that_of_its_nominal_levels(run, caplog):
    forecaster = recast.load(run)
    split = forecaster.calibrated
    assert split is not None
    found = export(forecaster.model, Adaptive().calibrated(split.table), "onnx", [0.8])
    assert found.errors["random windows"] < 1e-5
    assert "nominal" in caplog.text
    assert isinstance(split.calibration, Split)


def test_what_cannot_be_used_is_refused_and_nothing_is_written(run, tmp_path):
    words, output = words_of(run), tmp_path / "model.onnx"
    assert "format" in refused(*words, f"output={output}", "format=tflite")
    assert "known" in refused(*words, f"output={output}", f"input={run.parent / 'past.csv'}")
    assert "up to level" in refused(words[0], "levels=[0.9999]", f"output={output}")
    assert "same file" in refused(*words, f"output={run / 'checkpoints' / 'best.ckpt'}")
    assert "a folder" in refused(*words, f"output={tmp_path}")
    assert described(run / "checkpoints" / "best.ckpt")
    assert not list(tmp_path.iterdir())


def test_onnx_that_is_not_installed_is_named(run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert "recast-rnn[export]" in refused(*words_of(run), f"output={tmp_path / 'model.onnx'}")
