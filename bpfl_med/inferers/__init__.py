"""How an engine asks the network: of a batch of pictures, or of all slices of a volume."""

from bpfl_med.inferers.picture_inferer import PictureInferer
from bpfl_med.inferers.volume_inferer import VolumeInferer
from bpfl_med.inferers.volume_prediction import VolumePrediction, slice_score

__all__ = ["PictureInferer", "VolumeInferer", "VolumePrediction", "slice_score"]
