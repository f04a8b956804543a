"""The versions of the software that a result depends on."""

from __future__ import annotations

import platform
from functools import cache
from importlib.metadata import version

from bpfl_med.version import __version__

_NETWORK = ("monai", "torch", "open_clip_torch", "numpy")
_version = cache(version)  # which reads a file each time, and the versions stand in every result


def package_versions(*others: str) -> dict[str, str]:
    """Give the versions of Python, of this package, of what the network is computed with, and of other packages."""
    packages = {name: _version(name) for name in (*_NETWORK, *others)}
    return {"python": platform.python_version(), "bpfl-med": __version__, **packages}
