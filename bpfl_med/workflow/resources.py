"""Where the bundle and the config overlays lie: in the checkout, or beside an installed package."""

from __future__ import annotations

import sysconfig
from pathlib import Path

_CHECKOUT = Path(__file__).resolve().parents[2]


def bundle_folder() -> Path:
    """Give the folder of the bundle `bayes_pfl`."""
    return _folder("bundles") / "bayes_pfl"


def configs_folder() -> Path:
    """Give the folder of the config overlays."""
    return _folder("configs")


def _folder(name: str) -> Path:
    for root in (_CHECKOUT, Path(sysconfig.get_path("data")) / "share" / "bpfl_med"):
        if (root / name).is_dir():
            return root / name
    raise FileNotFoundError(f"The folder {name!r} of bpfl_med was not installed; install the package again")
