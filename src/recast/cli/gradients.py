"""recast-gradients: how far back the gradient of a trained model reaches."""

from omegaconf import DictConfig

from recast.cli.application import application


def job(config: DictConfig) -> None:
    """Checks the configuration, measures, prints, writes table and picture, prints their folder."""
    from recast.cli.show import show_gradients
    from recast.runs.configure.check import accepted
    from recast.runs.configure.compose import plain
    from recast.runs.configure.training_options import GradientOptions
    from recast.runs.gradients import FOLDER, measure_gradients
    from recast.runs.restored_forecast import results_folder
    from recast.runs.trainer import quiet_lightning

    quiet_lightning()
    options = plain(config)
    with accepted(options, GradientOptions):
        gradients = measure_gradients(options)
        show_gradients(gradients)
        folder = results_folder(options, FOLDER)
        gradients.write(folder)
        print(folder / "gradients.png")
        print(folder, flush=True)


def main() -> None:
    """The command."""
    application("gradients", job)


if __name__ == "__main__":
    main()
