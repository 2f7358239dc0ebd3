"""Run folders and sweep folders with numbers that are known, in the formats that recast-train writes."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from torch.utils.tensorboard import SummaryWriter

START = np.datetime64("2020-01-01T00:00", "m")
STEP = np.timedelta64(10, "m")


DESCRIPTIONS = {
    "mse": {"unit": "m²", "higher_is_better": False, "perfect": 0.0},
    "rmse": {"unit": "m", "higher_is_better": False, "perfect": 0.0},
    "mae": {"unit": "m", "higher_is_better": False, "perfect": 0.0},
    "coverage": {"unit": "", "higher_is_better": None, "perfect": 0.9},
}


def split(overrides: Sequence[str]) -> dict[str, str]:
    return dict(override.split("=", 1) for override in overrides)


def data_facts(fingerprint: str = "f" * 64, windows: int = 40, horizon: int = 4, label: str = "/a/tide.csv") -> dict:
    return {
        "label": label,
        "fingerprint": fingerprint,
        "rows": 400,
        "spec": {
            "columns": [{"name": "level", "unit": "m", "role": "target", "levels": None}],
            "step": "10min",
            "horizon": horizon,
            "timezone": "UTC",
        },
        "parts": {"train": [0, 280], "validation": [280, 320], "test": [320, 400]},
        "windows": {"train": 200, "validation": 20, "test": windows},
    }


def provenance(data: Mapping[str, Any], commit: str = "c" * 40, modified: bool = False, torch: str = "2.13.0") -> dict:
    return {
        "recast": "0.2.0",
        "commit": {"hash": commit, "modified": modified},
        "python": "3.11.7",
        "packages": {"torch": torch},
        "data": data,
    }


def metrics(
    mse: float | None, seed: int, baselines: Mapping[str, float], *, windows: int = 40, horizon: int = 4, **facts: Any
) -> dict:
    """metrics.json of a run whose error grows from half to one and a half of `mse` with the lead."""
    ramp = np.linspace(0.5, 1.5, horizon)
    scores = {"mse": mse, "rmse": None if mse is None else mse**0.5, "mae": None if mse is None else mse / 2}
    return {
        "windows": {"train": 200, "validation": 20, "test": windows},
        "unit": "m",
        "metrics": DESCRIPTIONS,
        "test": scores,
        "test_per_horizon": {"mse": [None if mse is None else mse * share for share in ramp.tolist()]},
        "baselines": {name: {"mse": value, "rmse": value**0.5, "mae": value / 2} for name, value in baselines.items()},
        "baselines_per_horizon": {name: {"mse": (value * ramp).tolist()} for name, value in baselines.items()},
        "selection": {"monitor": "mse/validation", "mode": "min", "value": None if mse is None else mse * 1.1},
        "seconds": {"baselines": 0.1, "fit": 12.0 + seed, "test": 0.5},
        "seed": seed,
        "parameters": 1000,
        "steps": 30,
        "checkpoint": "checkpoints/best.ckpt",
    } | facts


def write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def write_options(folder: Path, overrides: Sequence[str], config: Mapping[str, Any] | None = None) -> None:
    """What Hydra and the launcher write before a job starts."""
    (folder / ".hydra").mkdir(parents=True, exist_ok=True)
    (folder / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump(list(overrides)))
    choices = {"data": "tide", "model/cell": "gru"}
    (folder / ".hydra" / "hydra.yaml").write_text(yaml.safe_dump({"hydra": {"runtime": {"choices": choices}}}))
    seed = int(split(overrides).get("seed", 0))
    content = {"seed": seed, "data": {"seed": seed, "batch_size": 32}, "paths": {"output_dir": str(folder)}}
    (folder / "config.yaml").write_text(yaml.safe_dump(content | dict(config or {})))


def write_curves(folder: Path, mse: float, steps: int = 5, bias: float = 0.1) -> None:
    with SummaryWriter(str(folder / "tensorboard")) as writer:
        for step in range(steps):
            writer.add_scalar("mse/validation", mse * (2 - step / steps), 10 * step)
            writer.add_scalar("mse/teacher_forced", mse * (2 - step / steps) - bias * mse * step, 10 * step)
            writer.add_scalar("loss/train", 1.0 / (1 + step), 10 * step)
            writer.add_scalar("exposure_bias", bias * mse * step, 10 * step)


def write_per_origin(folder: Path, losses: Mapping[str, np.ndarray]) -> None:
    """per_origin.csv of squared errors by forecaster; the absolute errors are half of them."""
    rows = len(next(iter(losses.values())))
    head = ["origin", "row", *(f"{name}:{loss}" for name in losses for loss in ("mse", "mae"))]
    lines = [",".join(head)]
    for row in range(rows):
        numbers = [repr(float(values[row] * share)) for values in losses.values() for share in (1, 0.5)]
        lines.append(",".join([str(START + row * STEP), str(320 + row), *numbers]))
    (folder / "per_origin.csv").write_text("\n".join(lines) + "\n")


def write_per_item(folder: Path, scores: Mapping[str, Mapping[str, float]], metric: str = "mse") -> Path:
    """per_item.csv of scores by forecaster and item, in a run that has the rest."""
    table = pd.DataFrame({f"{name}:{metric}": values for name, values in scores.items()}).rename_axis("item")
    table.assign(**{"model:other": 0.0}).to_csv(folder / "per_item.csv")
    results = json.loads((folder / "metrics.json").read_text())
    write_json(folder / "metrics.json", results | {"test_per_item": {metric: {"items": len(table)}}})
    return folder


def write_bands(
    folder: Path, inside: Mapping[str, np.ndarray], truths: int = 4, width: float = 1.0, items: Sequence[str] = ()
) -> Path:
    """Scores of bands, and per_origin_bands.csv of hits (windows, 4 levels) by forecaster, in a run that has the rest.

    Of a panel the name of each window's item.
    """
    names = ("50", "80", "90", "95")
    rows = len(next(iter(inside.values())))
    stamps = [str(START + row * STEP) for row in (range(rows) if not items else [0] * rows)]
    table = pd.DataFrame({"origin": stamps, "row": range(320, 320 + rows)} | ({"item": items} if items else {}))
    table["truths"] = truths
    scores = {}
    for place, (forecaster, counts) in enumerate(inside.items()):
        table = table.assign(**{f"{forecaster}:{name}": counts[:, column] for column, name in enumerate(names)})
        scores[forecaster] = {
            "coverage": dict(zip(names, (counts.mean(axis=0) / truths).tolist(), strict=True)),
            "width": {name: width * level for level, name in enumerate(names, 1)},
            "crps": 0.1 * (1 + place),
            "pit": [0.1] * 10,
            "pit_deviation": 0.01,
        }
    table.to_csv(folder / "per_origin_bands.csv", index=False)
    results = json.loads((folder / "metrics.json").read_text())
    write_json(folder / "metrics.json", results | {"test_bands": scores})
    return folder


def write_ranked(folder: Path, horizon: int = 4, band: bool = False) -> None:
    lines = ["rank,loss,error,origin,target,lead,time,true,forecast,lower,upper,level"]
    for place, rank in enumerate(("best", "median", "worst")):
        origin = START + 50 * place * STEP
        for lead in range(1 - 2 * horizon, horizon + 1):
            true = float(np.sin(lead / 3 + place))
            forecast = f"{true + 0.1 * place * lead}" if lead > 0 else ""
            ends = f"{true - 0.3},{true + 0.3},0.9" if band and lead > 0 else ",,"
            error = (0.1 * place) ** 2 * np.mean(np.arange(1, horizon + 1) ** 2)
            lines.append(f"{rank},mse,{error},{origin},level,{lead},{origin + lead * STEP},{true},{forecast},{ends}")
    (folder / "ranked_forecasts.csv").write_text("\n".join(lines) + "\n")


def write_run(
    folder: Path,
    overrides: Sequence[str],
    mse: float | None,
    *,
    baselines: Mapping[str, float] | None = None,
    data: Mapping[str, Any] | None = None,
    made: Mapping[str, Any] | None = None,
    config: Mapping[str, Any] | None = None,
    losses: Mapping[str, np.ndarray] | None = None,
    curves: bool = False,
    ranked: bool = False,
    **facts: Any,
) -> Path:
    """A finished forecast run of a mean squared error `mse`."""
    data = data or data_facts()
    seed = int(split(overrides).get("seed", 0))
    baselines = {"last_value": 0.9, "ridge": 0.5} if baselines is None else baselines
    write_options(folder, overrides, config)
    write_json(folder / "provenance.json", made or provenance(data))
    windows, horizon = data["windows"]["test"], data["spec"]["horizon"]
    write_json(folder / "metrics.json", metrics(mse, seed, baselines, windows=windows, horizon=horizon, **facts))
    if losses is not None:
        write_per_origin(folder, losses)
    if curves and mse is not None:
        write_curves(folder, mse)
    if ranked:
        write_ranked(folder, horizon)
    return folder


def write_classifier(folder: Path, overrides: Sequence[str], accuracy: float) -> Path:
    """A finished classification run."""
    write_options(folder, overrides)
    seed = int(split(overrides).get("seed", 0))
    sequences = {"train": 270, "validation": 0, "test": 370}
    data = {
        "label": "vowels.ts",
        "fingerprint": "d" * 64,
        "rows": 9961,
        "sequences": sequences,
        "spec": {"columns": [{"name": "a", "unit": "", "role": "past", "levels": None}]},
    }
    write_json(folder / "provenance.json", provenance(data))
    content = {
        "sequences": sequences,
        "classes": ["1", "2"],
        "metrics": {
            "accuracy": {"unit": "", "higher_is_better": True, "perfect": 1.0},
            "macro_f1": {"unit": "", "higher_is_better": True, "perfect": 1.0},
            "loss": {"unit": "nats", "higher_is_better": False, "perfect": 0.0},
        },
        "test": {"accuracy": accuracy, "macro_f1": accuracy - 0.01, "loss": 1 - accuracy},
        "baselines": {"majority": {"accuracy": 0.1, "loss": 2.0}, "summary_ridge": {"accuracy": 0.9, "loss": 1.0}},
        "seconds": {"fit": 3.0},
        "seed": seed,
        "parameters": 500,
        "steps": 30,
    }
    write_json(folder / "metrics.json", content)
    return folder


def write_failure(folder: Path, overrides: Sequence[str], error: str) -> Path:
    """A job that failed."""
    write_options(folder, overrides)
    write_json(folder / "failure.json", {"error": error, "message": f"{error}\nmore", "exit_code": 1, "time": ""})
    return folder


def write_plan(sweep: Path, jobs: Mapping[str, Sequence[str]]) -> Path:
    """jobs.json of a sweep: overrides by folder."""
    entries = [{"folder": name, "overrides": list(given), "swept": split(given)} for name, given in jobs.items()]
    write_json(sweep / "jobs.json", entries)
    return sweep


CELLS = {"gru": 0.40, "lstm": 0.45, "rnn": 0.60}
SCHEDULES = {"never": 0.0, "always": 0.05}
SEEDS = (0, 1, 2, 3, 4)


def score_of(cell: str, schedule: str, seed: int) -> float:
    return round(CELLS[cell] + SCHEDULES[schedule] + 0.01 * seed, 10)


def write_study(sweep: Path, *, curves: bool = True, seeds: Sequence[int] = SEEDS) -> Path:
    """Three cells by two schedules by five seeds; one of them failed, one was never started, one is half done."""
    jobs: dict[str, list[str]] = {}
    rng = np.random.default_rng(0)
    for cell in CELLS:
        for schedule in SCHEDULES:
            for seed in seeds:
                name = f"cell-{cell}_schedule-{schedule}_seed-{seed}"
                given = ["data=ssh", f"model/cell={cell}", f"model/schedule={schedule}", f"seed={seed}"]
                jobs[name] = given
                folder = sweep / name
                if name == "cell-rnn_schedule-always_seed-4":
                    continue
                if name == "cell-rnn_schedule-always_seed-3":
                    write_failure(folder, given, "training loss became NaN at step 12 <script>alert(1)</script>")
                    continue
                if name == "cell-lstm_schedule-always_seed-4":
                    write_options(folder, given)
                    continue
                mse = score_of(cell, schedule, seed)
                losses = {
                    "model": mse * rng.chisquare(1, 40),
                    "ridge": 0.5 * rng.chisquare(1, 40),
                    "last_value": 0.9 * rng.chisquare(1, 40),
                }
                write_run(folder, given, mse, losses=losses, curves=curves, ranked=True)
    return write_plan(sweep, jobs)
