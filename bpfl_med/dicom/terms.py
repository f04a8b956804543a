"""Coded terms: what is found, and in which part of the body (SNOMED CT and DICOM codes, never typed in by hand)."""

from __future__ import annotations

from dataclasses import dataclass

from highdicom.color import CIELabColor
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

FINDING_CATEGORY: Code = codes.SCT.MorphologicallyAbnormalStructure
"""SCT 49755003, of CID 7150 "Segmentation Property Categories"."""

FINDING_TYPE: Code = codes.SCT.Lesion
"""SCT 52988006, of CID 7159 "Lesion Segmentation Types"."""

SCORE: Code = codes.SCT.Score
"""SCT 246262008: an anomaly score is no calibrated probability, so it is not coded as one."""

NO_UNITS: Code = codes.UCUM.NoUnits
"""UCUM 1, "no units"."""

DISPLAY_COLOR = CIELabColor.from_rgb(255, 64, 64)
"""The colour, a clear red, in which viewers are asked to show what is anomalous."""


@dataclass(frozen=True)
class AnatomicRegion:
    """A part of the body, as DICOM names it in two places.

    Attributes:
        code: SNOMED CT concept, of CID 4031 "Common Anatomic Regions" or CID 4 "Anatomic Region".
        body_part_examined: the defined term that PS3.16 Annex L gives for the same part.
        paired: a left and a right one exist.
    """

    code: Code
    body_part_examined: str
    paired: bool = False


ANATOMIC_REGIONS: dict[str, AnatomicRegion] = {
    "abdomen": AnatomicRegion(codes.SCT.Abdomen, "ABDOMEN"),
    "bladder": AnatomicRegion(codes.SCT.Bladder, "BLADDER"),
    "brain": AnatomicRegion(codes.SCT.Brain, "BRAIN"),
    "breast": AnatomicRegion(codes.SCT.Breast, "BREAST", paired=True),
    "cervical spine": AnatomicRegion(codes.SCT.CervicalSpine, "CSPINE"),
    "chest": AnatomicRegion(codes.SCT.Chest, "CHEST"),
    "colon": AnatomicRegion(codes.SCT.Colon, "COLON"),
    "eye": AnatomicRegion(codes.SCT.Eye, "EYE", paired=True),
    "foot": AnatomicRegion(codes.SCT.Foot, "FOOT", paired=True),
    "hand": AnatomicRegion(codes.SCT.Hand, "HAND", paired=True),
    "head": AnatomicRegion(codes.SCT.Head, "HEAD"),
    "heart": AnatomicRegion(codes.SCT.Heart, "HEART"),
    "hip": AnatomicRegion(codes.SCT.Hip, "HIP", paired=True),
    "kidney": AnatomicRegion(codes.SCT.Kidney, "KIDNEY", paired=True),
    "knee": AnatomicRegion(codes.SCT.Knee, "KNEE", paired=True),
    "liver": AnatomicRegion(codes.SCT.Liver, "LIVER"),
    "lumbar spine": AnatomicRegion(codes.SCT.LumbarSpine, "LSPINE"),
    "lung": AnatomicRegion(codes.SCT.Lung, "LUNG", paired=True),
    "mediastinum": AnatomicRegion(codes.SCT.Mediastinum, "MEDIASTINUM"),
    "neck": AnatomicRegion(codes.SCT.Neck, "NECK"),
    "pancreas": AnatomicRegion(codes.SCT.Pancreas, "PANCREAS"),
    "pelvis": AnatomicRegion(codes.SCT.Pelvis, "PELVIS"),
    "prostate": AnatomicRegion(codes.SCT.Prostate, "PROSTATE"),
    "shoulder": AnatomicRegion(codes.SCT.Shoulder, "SHOULDER", paired=True),
    "skull": AnatomicRegion(codes.SCT.Skull, "SKULL"),
    "spine": AnatomicRegion(codes.SCT.Spine, "SPINE"),
    "spleen": AnatomicRegion(codes.SCT.Spleen, "SPLEEN"),
    "stomach": AnatomicRegion(codes.SCT.Stomach, "STOMACH"),
    "thoracic spine": AnatomicRegion(codes.SCT.ThoracicSpine, "TSPINE"),
    "thyroid": AnatomicRegion(codes.SCT.Thyroid, "THYROID"),
    "uterus": AnatomicRegion(codes.SCT.Uterus, "UTERUS"),
    "whole body": AnatomicRegion(codes.SCT.EntireBody, "WHOLEBODY"),
}
"""Body part, in plain English -> its codes."""


def anatomic_region(body_part: str | None) -> AnatomicRegion:
    """The codes of a part of the body.

    Args:
        body_part: a key of :data:`ANATOMIC_REGIONS` ("brain"; case, "_" and "-" do not matter), or None where the part
            is not known: the whole body, which is true of every lesion.

    Raises:
        ValueError: there is no code for that name. Call this before any work is done, not when files are written.
    """
    name = "whole body" if body_part is None else body_part.strip().lower().replace("_", " ").replace("-", " ")
    try:
        return ANATOMIC_REGIONS[name]
    except KeyError:
        known = ", ".join(ANATOMIC_REGIONS)
        raise ValueError(f"no SNOMED code is known for a body part of that name; use None or one of: {known}") from None
