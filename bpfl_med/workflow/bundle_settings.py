"""The settings that a bundle's own configs know, with their defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser


def bundle_settings(configs: Path) -> dict[str, Any]:
    """Give the ids of the JSON configs in a bundle's folder, metadata apart; of one in several, the last default."""
    settings: dict[str, Any] = {}
    for path in sorted(configs.glob("*.json")):
        if path.name != "metadata.json":
            settings |= ConfigParser.load_config_file(path)
    return settings
