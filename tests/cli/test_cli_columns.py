"""A table with columns of every role, and gaps in it, from the command line to a forecast beyond its end."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import Done, metrics_of, run, scratch, trained

ROWS, CONTEXT, HORIZON = 400, 24, 6
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SMALL = (
    "data=csv",
    "data.source.time=time",
    "data.source.targets=[price]",
    "data.source.past=[wind]",
    "data.source.known=[load,day]",
    "data.source.static=[height]",
    "data.source.categories=[day]",
    f"data.windows.context={CONTEXT}",
    f"data.windows.horizon={HORIZON}",
    "model.cell.hidden_size=8",
    "trainer.max_epochs=1",
    "callbacks.progress_bar=null",
    "callbacks.figures=null",
    "logger=none",
)


def table(rows: int = ROWS, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    times = pd.date_range("2024-01-01", periods=rows, freq="h")
    load = 10 + 3 * np.sin(2 * np.pi * np.arange(rows) / 24) + 0.5 * random.normal(size=rows)
    wind = random.normal(size=rows).cumsum() / 5
    day = np.array(DAYS)[times.day_of_week]
    price = 20 + 2 * load + wind + 5.0 * (times.day_of_week > 4) + 0.3 * random.normal(size=rows)
    numbers = {name: values.round(4) for name, values in (("price", price), ("wind", wind), ("load", load))}
    return pd.DataFrame({"time": times, **numbers, "day": day, "height": 12.5})


@pytest.fixture(scope="session")
def files() -> Path:
    folder = scratch() / "columns"
    folder.mkdir(exist_ok=True)
    whole = table(ROWS + 50)
    past, later = whole.head(ROWS), whole.tail(60)[["time", "load", "day"]]
    past.to_csv(folder / "past.csv", index=False)
    gaps = past.copy()
    random = np.random.default_rng(1)
    for name in ("price", "wind"):
        gaps.loc[random.random(ROWS) < 0.1, name] = np.nan
    gaps.drop(index=range(100, 110)).to_csv(folder / "gaps.csv", index=False)
    later.to_csv(folder / "later.csv", index=False)
    later.head(12).to_csv(folder / "short.csv", index=False)
    later.assign(day="holiday").to_csv(folder / "holiday.csv", index=False)
    later.assign(load=np.nan).to_csv(folder / "empty.csv", index=False)
    past.assign(height=np.arange(ROWS)).to_csv(folder / "varying.csv", index=False)
    past.assign(height=99.0).to_csv(folder / "higher.csv", index=False)
    later.assign(time=later["time"].dt.tz_localize("UTC")).to_csv(folder / "zoned.csv", index=False)
    ahead = whole.head(ROWS + HORIZON).assign(price=lambda rows: rows["price"].where(rows.index < ROWS))
    ahead.to_csv(folder / "ahead.csv", index=False)
    return folder


@pytest.fixture(scope="session")
def complete(files) -> Path:
    return trained(*SMALL, f"data.source.path={files / 'past.csv'}", cwd=scratch() / "complete")


@pytest.fixture(scope="session")
def masked(files) -> Path:
    gaps = [f"data.source.path={files / 'gaps.csv'}", "data/grid=mask", "data.source.missing=[nan]"]
    return trained(*SMALL, *gaps, "model=direct", "model/head=quantile", cwd=scratch() / "masked")


def forecast(folder: Path, files: Path, *options: object, name: str = "past.csv") -> Done:
    checkpoint = folder / "checkpoints" / "best.ckpt"
    return run("recast-forecast", f"checkpoint={checkpoint}", f"input={files / name}", *options, cwd=files)


def assert_refused(done: Done, *words: str) -> None:
    assert done.code == 2
    assert done.err.strip().count("\n") == 0, done.err
    for word in words:
        assert word in done.err


def test_a_forecast_beyond_the_end_reads_what_is_known_ahead(files, complete):
    done = forecast(complete, files, "known=later.csv", "output=f.csv")
    assert done.code == 0, done.err
    found = pd.read_csv(files / "f.csv")
    assert list(found.columns) == ["time", "price"]
    assert list(pd.to_datetime(found["time"])) == list(table(ROWS + HORIZON)["time"].tail(HORIZON))
    other = pd.read_csv(files / "later.csv").assign(load=lambda rows: rows["load"] + 3)
    other.to_csv(files / "more.csv", index=False)
    assert forecast(complete, files, "known=more.csv", "output=g.csv").code == 0
    moved = pd.read_csv(files / "g.csv")["price"] - found["price"]
    assert (moved.abs() > 1e-6).all()


def test_what_is_known_ahead_must_be_given_and_reach_far_enough(files, complete):
    assert_refused(forecast(complete, files, "output=h.csv"), "load, day", "known=FILE", f"{HORIZON} steps")
    assert_refused(forecast(complete, files, "output=h.csv", "known=short.csv"), "short.csv", "expected load, day at")
    assert_refused(forecast(complete, files, "output=h.csv", "known=holiday.csv"), "'holiday'", "'day'", "fri, mon")
    assert_refused(forecast(complete, files, "output=h.csv", "known=empty.csv"), "empty.csv")
    assert not (files / "h.csv").exists()


def test_a_checkpoint_is_scored_on_the_same_columns_of_another_file(files, complete):
    done = run(
        "recast-evaluate",
        f"checkpoint={complete / 'checkpoints' / 'best.ckpt'}",
        f"path={files / 'past.csv'}",
        "output=scored",
        cwd=files,
    )
    assert done.code == 0, done.err
    assert metrics_of(files / "scored")["test"] == metrics_of(complete)["test"]


def test_gaps_are_read_as_masks_and_forecasts_come_with_a_band(files, masked):
    scores = metrics_of(masked)
    assert {"mse", "pinball", "coverage"} <= set(scores["test"])
    assert all(np.isfinite(value) for value in scores["test"].values())
    done = forecast(masked, files, "known=later.csv", "output=m.csv", name="gaps.csv")
    assert done.code == 0, done.err
    found = pd.read_csv(files / "m.csv")
    assert list(found.columns) == ["time", "price", "price_lower_80", "price_upper_80"]
    assert ((found["price_lower_80"] < found["price"]) & (found["price"] < found["price_upper_80"])).all()


def test_a_model_of_complete_rows_refuses_gaps(files, complete):
    done = forecast(complete, files, "known=later.csv", "output=n.csv", name="gaps.csv")
    assert_refused(done, "gaps.csv", "wind" if "wind" in done.err else "price")


def test_one_table_may_hold_what_was_observed_and_what_is_known_ahead(files, masked):
    for name, known in (("past.csv", "later.csv"), ("ahead.csv", "ahead.csv")):
        done = forecast(masked, files, f"known={known}", f"output=from_{name}", name=name)
        assert done.code == 0, done.err
    one, other = (pd.read_csv(files / f"from_{name}") for name in ("past.csv", "ahead.csv"))
    pd.testing.assert_frame_equal(one, other)


def test_zones_and_static_values_are_those_of_the_training(files, complete):
    assert_refused(forecast(complete, files, "known=zoned.csv", "output=z.csv"), "zoned.csv", "past.csv", "a time zone")
    done = forecast(complete, files, "known=later.csv", "output=z.csv", name="higher.csv")
    assert_refused(done, "'height' is 99", "12.5 throughout the training")


def test_a_static_column_is_constant(files):
    done = run("recast-train", *SMALL, f"data.source.path={files / 'varying.csv'}", cwd=files)
    assert_refused(done, "line 3", "'height'", "one value throughout")


def test_a_form_that_cannot_read_a_role_is_refused_before_training(files):
    done = run("recast-train", *SMALL, f"data.source.path={files / 'past.csv'}", "model=recursive", cwd=files)
    assert_refused(done, "Recursive", "past inputs (wind)", "another model")
