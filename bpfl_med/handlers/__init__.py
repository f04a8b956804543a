"""Ignite handlers of the evaluation: scores and metrics, the report, the pictures."""

from bpfl_med.handlers.anomaly_evaluation import AnomalyEvaluation
from bpfl_med.handlers.evaluation import Evaluation
from bpfl_med.handlers.evaluation_journal import EvaluationJournal
from bpfl_med.handlers.evaluation_report import EvaluationReport
from bpfl_med.handlers.overlay_pictures import OverlayPictures
from bpfl_med.handlers.study_results import StudyResults
from bpfl_med.handlers.study_writers import (
    ContactSheet,
    DicomParametricMap,
    DicomReport,
    DicomSecondaryCapture,
    DicomSegmentation,
    NiftiOverlays,
)

__all__ = [
    "AnomalyEvaluation",
    "ContactSheet",
    "DicomParametricMap",
    "DicomReport",
    "DicomSecondaryCapture",
    "DicomSegmentation",
    "Evaluation",
    "EvaluationJournal",
    "EvaluationReport",
    "NiftiOverlays",
    "OverlayPictures",
    "StudyResults",
]
