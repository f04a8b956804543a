"""The patient and the study of an object, taken over from the source so that the result is valid whatever was there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydicom import config
from pydicom.datadict import dictionary_VM
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.valuerep import PersonName, validate_value

TYPE_2 = (
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyID",
)
"""Attributes that must be there and may be empty: Patient (PS3.3 C.7.1.1) and General Study (C.7.2.1)."""

TYPE_3 = (
    "StudyDescription",
    "IssuerOfPatientID",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "DeidentificationMethodCodeSequence",
)
"""Optional attributes that are taken over as well. All others of the source stay behind."""

PATIENT_AND_STUDY = ("SpecificCharacterSet", *TYPE_2, *TYPE_3)

_ENUMERATED = {"PatientSex": ("M", "F", "O"), "PatientIdentityRemoved": ("YES", "NO")}


@dataclass(frozen=True, eq=False)
class PatientStudy:
    """Valid attributes of patient and study.

    Attributes:
        attributes: the attributes; where a text is not plain ASCII, they are to be written in UTF-8 (ISO_IR 192).
        left_out: keywords of the attributes whose value in the source is against the standard. They are empty or absent
            here, never cut: a cut identifier would be somebody else's.
    """

    attributes: Dataset
    left_out: tuple[str, ...]


def read_patient_study(source: Dataset) -> PatientStudy:
    """Take the patient and the study out of the header of a source image, which is not changed.

    No value reaches a log: pydicom's own checks, which quote what is wrong, are switched off meanwhile.
    """
    attributes, left_out = Dataset(), []
    with config.disable_value_validation():
        for keyword in (*TYPE_2, *TYPE_3):
            element = _valid(source, keyword)
            if element is not None:
                attributes.add(element)
            elif keyword in source:
                left_out.append(keyword)
            if keyword not in attributes and keyword in TYPE_2:
                setattr(attributes, keyword, "")
        says_how = "DeidentificationMethod" in attributes or "DeidentificationMethodCodeSequence" in attributes
        if "PatientIdentityRemoved" in attributes and not says_how:  # it asks for one of the two
            del attributes.PatientIdentityRemoved
            left_out.append("PatientIdentityRemoved")
        if not all(text.isascii() for element in attributes for text in _texts(element)):
            attributes.SpecificCharacterSet = "ISO_IR 192"
    return PatientStudy(attributes, tuple(left_out))


def _valid(source: Dataset, keyword: str) -> DataElement | None:
    """A decoded copy of an attribute, or None where it is absent or against the standard."""
    if keyword not in source:
        return None
    alone = Dataset()
    try:
        alone.add(source[keyword])
        if "SpecificCharacterSet" in source:
            alone.SpecificCharacterSet = source.SpecificCharacterSet
        alone.decode()
        element = alone[keyword]
        if keyword in _ENUMERATED and element.value not in (*_ENUMERATED[keyword], "", None):
            return None
        _check(element)
    except (ValueError, TypeError, LookupError, AttributeError, NotImplementedError):
        return None
    return element


def _check(element: DataElement) -> None:
    """Hold an element, and all inside it, against its value representation and multiplicity (PS3.5 6.2, PS3.6).

    Raises:
        ValueError: it does not conform.
    """
    if element.VR == "SQ":
        for item in element.value:
            for inner in item:
                _check(inner)
        return
    if element.VM > 1 and dictionary_VM(element.tag) == "1":
        raise ValueError("more than one value")
    for text in _texts(element):
        validate_value(element.VR, text, config.RAISE)
        if not text.isprintable():
            raise ValueError("control characters")


def _texts(element: DataElement) -> Iterator[str]:
    """The values of an element, and of all inside it, as texts."""
    if element.VR == "SQ":
        for item in element.value:
            for inner in item:
                yield from _texts(inner)
    elif not element.is_empty:
        values = element.value if element.VM > 1 else [element.value]
        for value in values:
            yield str(value) if isinstance(value, str | PersonName) else str(getattr(value, "original_string", value))
