"""What MONAI's transforms lack for this method."""

from bpfl_med.transforms.load_mask import LoadMaskd
from bpfl_med.transforms.load_picture import LoadPictured

__all__ = ["LoadMaskd", "LoadPictured"]
