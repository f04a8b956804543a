"""Zero-shot anomaly detection for radiology: Bayesian Prompt Flow Learning as a MONAI bundle."""

from bpfl_med.version import __version__

__all__ = ["__version__"]
