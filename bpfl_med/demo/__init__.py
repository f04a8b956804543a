"""The embedded default: drawn pictures and small weights, so that everything runs without any download."""

from bpfl_med.demo.auxiliary_images import write_auxiliary_images
from bpfl_med.demo.backbone import demo_backbone, demo_prompts
from bpfl_med.demo.phantoms import write_phantom_images

__all__ = ["demo_backbone", "demo_prompts", "write_auxiliary_images", "write_phantom_images"]
