"""Ignite handlers: scores and metrics, reports and pictures of evaluations, results of scans, trainings."""

from bpfl_med.handlers.anomaly_evaluation import AnomalyEvaluation
from bpfl_med.handlers.case_pictures import CasePictures
from bpfl_med.handlers.confidence_intervals import ConfidenceIntervals
from bpfl_med.handlers.evaluation import Evaluation
from bpfl_med.handlers.evaluation_figures import EvaluationFigures
from bpfl_med.handlers.evaluation_journal import EvaluationJournal
from bpfl_med.handlers.evaluation_report import EvaluationReport
from bpfl_med.handlers.overlay_pictures import OverlayPictures
from bpfl_med.handlers.scan_result_saver import ScanResultSaver
from bpfl_med.handlers.scan_writers import (
    ContactSheet,
    DicomParametricMap,
    DicomReport,
    DicomSecondaryCapture,
    DicomSegmentation,
    NiftiOverlays,
)
from bpfl_med.handlers.training_checkpoint import TrainingCheckpoint
from bpfl_med.handlers.training_record import LossProgressBar, TrainingRecord
from bpfl_med.handlers.two_stages import TwoStages
from bpfl_med.handlers.volume_metrics import VolumeMetrics

__all__ = [
    "AnomalyEvaluation",
    "CasePictures",
    "ConfidenceIntervals",
    "ContactSheet",
    "DicomParametricMap",
    "DicomReport",
    "DicomSecondaryCapture",
    "DicomSegmentation",
    "Evaluation",
    "EvaluationFigures",
    "EvaluationJournal",
    "EvaluationReport",
    "LossProgressBar",
    "NiftiOverlays",
    "OverlayPictures",
    "ScanResultSaver",
    "TrainingCheckpoint",
    "TrainingRecord",
    "TwoStages",
    "VolumeMetrics",
]
