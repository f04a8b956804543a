"""The embedded default: drawn pictures and a small network trained on them, so that all runs without download."""

from bpfl_med.demo.backbone import DEMO_PROMPTS, demo_backbone
from bpfl_med.demo.drawn_images import write_drawn_images
from bpfl_med.demo.phantoms import write_phantom_images

__all__ = ["DEMO_PROMPTS", "demo_backbone", "write_drawn_images", "write_phantom_images"]
