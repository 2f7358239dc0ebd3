"""recast-importance: what a trained model gains by each of its inputs."""

from omegaconf import DictConfig

from recast.cli.application import application


def job(config: DictConfig) -> None:
    """Checks the configuration, measures, prints, writes table and picture, prints their folder."""
    from recast.cli.show import show_importance
    from recast.runs.configure.check import accepted
    from recast.runs.configure.compose import plain
    from recast.runs.configure.training_options import ImportanceOptions
    from recast.runs.importance import FOLDER, measure_importance
    from recast.runs.restored_forecast import results_folder
    from recast.runs.trainer import quiet_lightning

    quiet_lightning()
    options = plain(config)
    with accepted(options, ImportanceOptions):
        importance = measure_importance(options)
        show_importance(importance)
        folder = results_folder(options, FOLDER)
        importance.write(folder)
        print(folder / "importance.png")
        print(folder, flush=True)


def main() -> None:
    """The command."""
    application("importance", job)


if __name__ == "__main__":
    main()
