"""The main job in small: train on the tide simulator, compare with baselines, forecast, draw.

Runs `recast-train experiment=demo`, then forecasts beyond the end of a simulated gauge file with the checkpoint.
"""

import subprocess
import sys
from datetime import datetime
from pathlib import Path

from recast.data.sources.tide import TideSimulator
from recast.data.sources.writer import write_csv

BIN = Path(sys.executable).parent


def main() -> None:
    """Trains, then forecasts; the commands are printed as one would type them."""
    folder = Path("outputs") / "demo" / datetime.now().astimezone().strftime("%Y-%m-%d_%H-%M-%S")
    recast("train", "experiment=demo", f"hydra.run.dir={folder}")
    gauge, forecast = folder / "gauge.csv", folder / "forecast.csv"
    # Ten days of another year, which the model has not seen.
    write_csv(TideSimulator(days=10, gaps=False, seed=1).read(), gauge)
    picture = forecast.with_suffix(".png")
    checkpoint = folder / "checkpoints" / "best.ckpt"
    recast("forecast", f"checkpoint={checkpoint}", f"input={gauge}", f"output={forecast}", f"figure={picture}")
    print(f"\nforecast:    {forecast}\npicture:     {picture}")
    print(f"figures:     {folder}/figures\ncheckpoint:  {folder}/checkpoints/best.ckpt")
    print(f"TensorBoard: {BIN}/tensorboard --logdir {folder}/tensorboard")


def recast(command: str, *options: str) -> None:
    """Runs a recast command in this terminal; leaves with its exit code where it fails."""
    print(f"\n$ recast-{command} {' '.join(options)}", flush=True)
    code = subprocess.run([str(BIN / f"recast-{command}"), *options], check=False).returncode
    if code:
        sys.exit(code)


if __name__ == "__main__":
    main()
