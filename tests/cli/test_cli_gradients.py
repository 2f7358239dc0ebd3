"""recast-gradients: what it prints and writes, and what it refuses."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import QUICK, Done, run, scratch, shared_run, strict_json, trained
from PIL import Image

FILES = ["gradients.csv", "gradients.json", "gradients.png"]
FEW = ("windows=5", "jacobian_windows=2", "jacobian_steps=4")


def gradients(*options: object, cwd: Path, **environment: str) -> Done:
    return run("recast-gradients", *options, cwd=cwd, **environment)


@pytest.fixture(scope="session")
def moved() -> Path:
    """A checkpoint in a run's folder of its own."""
    folder = scratch() / "gradients" / "a run" / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy(shared_run(*QUICK) / "checkpoints" / "best.ckpt", folder))


def assert_refused(done: Done, says: str, code: int = 2) -> None:
    assert done.code == code, done
    assert says in done.err
    assert done.err.startswith("recast: ")
    assert "Traceback" not in done.err


def test_it_writes_table_numbers_and_picture_into_the_run(moved, tmp_path):
    done = gradients(f"checkpoint='{moved}'", *FEW, cwd=tmp_path)
    assert done.code == 0, done
    folder = moved.parents[1] / "gradients"
    assert done.out.splitlines()[-2:] == [str(folder / "gradients.png"), str(folder)]
    assert sorted(path.name for path in folder.iterdir()) == FILES
    assert not list(tmp_path.iterdir())
    facts = strict_json(folder / "gradients.json")
    assert (facts["part"], facts["windows"], facts["checkpoint"]) == ("validation", 5, str(moved))
    (layer,) = facts["layers"].values()
    assert list(facts["layers"]) == ["encoder, layer 1"]
    assert (layer["module"], layer["cell"], layer["steps"]) == ("encoder.stack.cells.0", "GRU", 20)
    assert list(layer["gates"]) == ["reset", "update"]
    table = pd.read_csv(folder / "gradients.csv")
    assert table["steps_before_origin"].tolist() == list(range(19, -1, -1))
    assert table["singular_value:median"].notna().sum() == 4
    assert (table["singular_value:min"].dropna() <= table["singular_value:max"].dropna()).all()
    for loss, constant in layer["time_constant"].items():
        relative, norms = table[f"relative:{loss}"], table[f"norm:{loss}:state"]
        assert relative.iloc[-1] == 1
        assert relative.to_numpy() == pytest.approx((norms / norms.iloc[-1]).to_numpy())
        assert layer["relative_at_first_step"][loss] == pytest.approx(relative.iloc[0])
        slope = np.polyfit(table["steps_before_origin"], np.log(norms), 1)[0]
        assert layer["decay_rate"][loss] == pytest.approx(slope)
        assert constant == pytest.approx(-1 / slope)
    assert list(layer["time_constant"]) == ["lead 1", "lead 5", "lead 10", "all leads"]
    assert np.asarray(Image.open(folder / "gradients.png").convert("L")).std() > 5


def test_it_prints_what_it_wrote(moved, tmp_path):
    done = gradients(f"checkpoint='{moved}'", "output=out", *FEW, cwd=tmp_path, COLUMNS="40")
    assert done.code == 0, done
    assert done.last_line == "out"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == FILES
    (layer,) = strict_json(tmp_path / "out" / "gradients.json")["layers"].values()
    assert "encoder, layer 1 (GRU): validation, 5 windows" in done.out
    for constant in layer["time_constant"].values():
        assert f"{constant:.4g}" in done.out
    assert f"{layer['gates']['update']['high']:.1%}" in done.out
    assert f"largest singular value {layer['singular_value']:.4g}" in done.out
    for words in ("9 steps back", "19 steps back", "1/e in [steps]"):
        assert words in done.out
    assert "…" not in done.out


@pytest.mark.slow
def test_parts_differ_and_the_same_command_gives_the_same_bytes(moved, tmp_path):
    for folder, part in (("one", "test"), ("two", "test"), ("three", "train")):
        options = (f"checkpoint='{moved}'", f"split={part}", f"output={folder}", *FEW)
        assert gradients(*options, cwd=tmp_path).code == 0
    one, two, three = (
        {name: (tmp_path / folder / name).read_bytes() for name in FILES} for folder in ("one", "two", "three")
    )
    assert one == two
    assert all(one[name] != three[name] for name in FILES)


def test_fewer_windows_than_asked_for_and_a_lone_file(moved, tmp_path):
    shutil.copy(moved, tmp_path / "model.ckpt")
    done = gradients("checkpoint=model.ckpt", "windows=100000", "jacobian_steps=1", cwd=tmp_path)
    assert done.code == 0, done
    assert done.last_line == "gradients"
    facts = strict_json(tmp_path / "gradients" / "gradients.json")
    assert 1 < facts["windows"] < 100
    assert pd.read_csv(tmp_path / "gradients" / "gradients.csv")["singular_value:median"].notna().sum() == 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["split=tset"], "split=tset: input should be 'train', 'validation' or 'test'"),
        (["windows=0"], "windows=0: input should be greater than or equal to 1"),
        (["window=3"], "did you mean windows"),
        (["path=none.csv"], "no such file"),
        (["checkpoint=none.ckpt"], "none.ckpt: no such checkpoint file"),
        (["checkpoint=null"], "checkpoint=null"),
    ],
)
def test_it_refuses(options, says, moved, tmp_path):
    checkpoint = [] if options[0].startswith("checkpoint") else [f"checkpoint='{moved}'"]
    assert_refused(gradients(*checkpoint, *options, cwd=tmp_path), says)
    assert not list(tmp_path.iterdir())


def test_it_needs_a_checkpoint(tmp_path):
    assert_refused(gradients(cwd=tmp_path), "checkpoint: must be given")


def test_a_part_without_windows_is_named(tmp_path):
    folder = trained(*QUICK, "data.split.validation=0.0", "trainer.max_epochs=1", cwd=tmp_path)
    done = gradients(f"checkpoint={folder / 'checkpoints' / 'last.ckpt'}", cwd=tmp_path)
    assert_refused(
        done, "split=validation: this part has no windows; windows by part: train 291, validation 0, test 51"
    )


def test_an_output_that_cannot_be_written(moved, tmp_path):
    (tmp_path / "file").write_text("in the way")
    done = gradients(f"checkpoint='{moved}'", "output=file/out", *FEW, cwd=tmp_path)
    assert_refused(done, "file is a file; expected a folder there")
