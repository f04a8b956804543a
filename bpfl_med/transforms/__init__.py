"""What MONAI's transforms lack for this method."""

from bpfl_med.intensity import PercentileIntensity, WindowIntensity
from bpfl_med.transforms.load_mask import LoadMaskd
from bpfl_med.transforms.load_picture import LoadPictured
from bpfl_med.transforms.load_scan import LoadScand

__all__ = ["LoadMaskd", "LoadPictured", "LoadScand", "PercentileIntensity", "WindowIntensity"]
