"""Whether a model runs on a device that may not be there: how, how fast, in how much memory."""

from hal.tools.check.check import check
from hal.tools.check.inputs import input_layouts
from hal.tools.check.judge import ROUTES, Row
from hal.tools.check.page import page
from hal.tools.check.predict import Contributor, Prediction, predict
from hal.tools.check.report import SCHEMA, DeviceReport, Memory, Report
from hal.tools.check.target import Target, find_target, known_chips

__all__ = [
    "ROUTES",
    "SCHEMA",
    "Contributor",
    "DeviceReport",
    "Memory",
    "Prediction",
    "Report",
    "Row",
    "Target",
    "check",
    "find_target",
    "input_layouts",
    "known_chips",
    "page",
    "predict",
]
