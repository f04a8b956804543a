"""The embedded default: phantoms and a small backbone, so that everything runs without any download."""

from bpfl_med.demo.backbone import demo_backbone
from bpfl_med.demo.phantoms import write_phantom_images

__all__ = ["demo_backbone", "write_phantom_images"]
