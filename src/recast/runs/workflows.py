"""The workflow of each kind of task."""

from typing import Any

from recast.configure.kinds import CLASSIFICATION, FORECAST, Kind
from recast.runs.classification_workflow import ClassificationWorkflow
from recast.runs.forecast_workflow import ForecastWorkflow
from recast.runs.workflow import Workflow

WORKFLOWS: dict[Kind, Workflow[Any, Any, Any]] = {
    FORECAST: ForecastWorkflow(),
    CLASSIFICATION: ClassificationWorkflow(),
}
