"""The main job in small: train on the simulated gauge with weather, compare with baselines, forecast, draw.

Runs `recast-train experiment=demo`, then forecasts beyond the end of another gauge's file with the checkpoint.
"""

import subprocess
import sys
from datetime import datetime
from pathlib import Path

from recast import compose
from recast.data.sources.writer import write_csv
from recast.runs.configure.build import build

BIN = Path(sys.executable).parent
OTHER = ("data.source.days=10.0", "data.source.gaps=false", "data.source.seed=1")
"""Ten days that the model has not seen: tide, surge and weather of another seed."""


def main() -> None:
    """Trains, then forecasts; the commands are printed as one would type them."""
    folder = Path("outputs") / "demo" / datetime.now().astimezone().strftime("%Y-%m-%d_%H-%M-%S")
    recast("train", "experiment=demo", f"hydra.run.dir={folder}")
    gauge, forecast = folder / "gauge.csv", folder / "forecast.csv"
    # Level, wind and pressure: the columns that the model reads.
    write_csv(build(compose(["experiment=demo", *OTHER])["data"]["source"]).read(), gauge)
    picture = forecast.with_suffix(".png")
    checkpoint = folder / "checkpoints" / "best.ckpt"
    recast("forecast", f"checkpoint={checkpoint}", f"input={gauge}", f"output={forecast}", f"figure={picture}")
    print(f"\nforecast:    {forecast}\npicture:     {picture}")
    print(f"figures:     {folder}/figures\ncheckpoint:  {folder}/checkpoints/best.ckpt")
    print(f"TensorBoard: {BIN}/tensorboard --logdir {folder}")


def recast(command: str, *options: str) -> None:
    """Runs a recast command in this terminal; leaves with its exit code where it fails."""
    print(f"\n$ recast-{command} {' '.join(options)}", flush=True)
    code = subprocess.run([str(BIN / f"recast-{command}"), *options], check=False).returncode
    if code:
        sys.exit(code)


if __name__ == "__main__":
    main()
