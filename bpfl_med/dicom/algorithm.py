"""Who made a DICOM object: the algorithm, its parameters and its checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from highdicom.content import AlgorithmIdentificationSequence
from pydicom.sr.codedict import codes

from bpfl_med.version import __version__


@dataclass(frozen=True)
class Algorithm:
    """What identifies the method and the weights that gave a result.

    Attributes:
        name: name of the method, at most 64 characters.
        version: version of the method, at most 64 characters.
        checkpoint_sha256: hexadecimal checksum of the checkpoint; empty where the method has no weights.
        parameters: what else the result depends on (threshold, seed, ...), as short texts or numbers without patient
            data.
    """

    name: str
    version: str
    checkpoint_sha256: str = ""
    parameters: Mapping[str, str | int | float | bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what DICOM has no room for, before anything was computed.

        Raises:
            ValueError: name or version is empty, longer than 64 characters, or not plain ASCII.
        """
        check_text("name of the algorithm", self.name)
        check_text("version of the algorithm", self.version)

    @property
    def all_parameters(self) -> dict[str, str]:
        """Parameters with the checkpoint's checksum among them, as ASCII texts, which every character set holds."""
        checkpoint = {"checkpoint_sha256": self.checkpoint_sha256} if self.checkpoint_sha256 else {}
        parameters = {**self.parameters, **checkpoint}
        return {key: str(value).encode("ascii", "backslashreplace").decode() for key, value in parameters.items()}

    @property
    def identification(self) -> AlgorithmIdentificationSequence:
        """The Algorithm Identification Macro (PS3.3 10.16): name, version, family DCM 123110, parameters."""
        return AlgorithmIdentificationSequence(
            name=self.name,
            family=codes.DCM.ArtificialIntelligence,
            version=self.version,
            source="bpfl_med",
            parameters=self.all_parameters,
        )

    @property
    def equipment(self) -> dict[str, Any]:
        """The Enhanced General Equipment Module (PS3.3 C.7.5.2), as highdicom's arguments.

        The serial number is the head of the checkpoint's checksum: what tells one trained network from another.
        """
        return {
            "manufacturer": "bpfl_med",
            "manufacturer_model_name": self.name,
            "software_versions": [f"bpfl_med {__version__}", f"{self.name} {self.version}"[:64]],
            "device_serial_number": self.checkpoint_sha256[:16] or "no checkpoint",
        }


def check_text(what: str, text: str) -> None:
    """Hold a text of ours against what a Long String (PS3.5 6.2) can be in any character set.

    Raises:
        ValueError: it is empty, longer than 64 characters, not plain ASCII, or has a backslash, which separates values.
    """
    if not 0 < len(text) <= 64 or not text.isascii() or not text.isprintable() or "\\" in text:
        raise ValueError(f"the {what} must be 1 to 64 printable ASCII characters without backslash, got {text!r}")
