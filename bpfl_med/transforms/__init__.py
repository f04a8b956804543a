"""What MONAI's transforms lack for this method."""

from bpfl_med.transforms.intensity import PercentileIntensity, WindowIntensity
from bpfl_med.transforms.load_mask import LoadMaskd
from bpfl_med.transforms.load_picture import LoadPictured
from bpfl_med.transforms.load_study import LoadStudyd

__all__ = ["LoadMaskd", "LoadPictured", "LoadStudyd", "PercentileIntensity", "WindowIntensity"]
