"""recast-train: trains a model, scores it beside baselines, fills a run folder."""

from pathlib import Path

from omegaconf import DictConfig

from recast.cli.application import application


def job(config: DictConfig) -> None:
    """One run: checks the configuration, trains, prints the results and the run folder's path."""
    from hydra.core.hydra_config import HydraConfig
    from lightning.pytorch.utilities import rank_zero_only

    from recast.cli.show import show_results
    from recast.runs.configure.check import accepted
    from recast.runs.configure.compose import plain
    from recast.runs.configure.training_options import TrainOptions
    from recast.runs.fit import run
    from recast.runs.hyperparameters import hints
    from recast.runs.trainer import quiet_lightning

    quiet_lightning()
    options = plain(config)
    with accepted(options, TrainOptions):
        folder = Path(HydraConfig.get().runtime.output_dir)
        results = run(options, folder)
        if getattr(rank_zero_only, "rank", 0):
            return  # one of several processes speaks
        show_results(results)
        print(f"figures:     {folder / 'figures'}")
        print(f"checkpoint:  {folder / results.facts['checkpoint']}")
        for line in hints(options, folder):
            print(line)
        print(folder, flush=True)


def main() -> None:
    """The command."""
    application("train", job)


if __name__ == "__main__":
    main()
