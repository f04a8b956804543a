"""Fixtures that many tests share."""

from __future__ import annotations

import atexit
import copy
import os
import shutil
import tempfile
from pathlib import Path

import open_clip
import pytest
import torch

from bpfl_med.networks import CLIPBackbone

if "PYTEST_XDIST_WORKER" in os.environ:
    torch.set_num_threads(1)  # each worker has a core; more threads than cores wait for one another
else:
    # What is measured on a machine that is busy with tests must not stay in the user's cache.
    os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="bpfl-med-tests-")
    atexit.register(shutil.rmtree, os.environ["XDG_CACHE_HOME"], ignore_errors=True)

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data beside the checkout; tests that need it are skipped where it is absent."""
    folder = REPOSITORY.parent / "shared"
    if not folder.is_dir():
        pytest.skip(f"reference data {folder} is not on this machine")
    return folder


@pytest.fixture(scope="session")
def small_clip() -> open_clip.CLIP:
    """A CLIP of the right kind and tiny size with random weights; copy it before it is changed."""
    with torch.random.fork_rng():
        torch.manual_seed(7)
        return open_clip.CLIP(
            embed_dim=64,
            vision_cfg={"layers": 4, "width": 128, "patch_size": 8, "image_size": 32, "head_width": 64},
            text_cfg={"width": 64, "heads": 1, "layers": 2},
        )


@pytest.fixture(scope="session")
def backbone(small_clip: open_clip.CLIP) -> CLIPBackbone:
    """The tiny CLIP as a backbone for 48 x 48 images (6 x 6 patches)."""
    return CLIPBackbone(copy.deepcopy(small_clip), image_size=48, name="tiny", pretrained=False)
