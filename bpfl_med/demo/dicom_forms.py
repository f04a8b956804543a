"""The awkward forms in which DICOM series come: each takes clean slices and gives them back in its own way."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import (
    BasicTextSRStorage,
    DeflatedExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from bpfl_med.demo.dicom_enhanced import to_enhanced
from bpfl_med.demo.dicom_head import ORIENTATIONS, STORED_ZERO, name_instance, seeded_uid, set_pixels

Slices = list[Dataset]
Form = Callable[[Slices], Slices]

PADDING = -2000  # stored value of the pixels outside the field of view in the padded forms
_MIDDLE = 12


def _stored(dataset: Dataset) -> np.ndarray:
    return np.frombuffer(dataset.PixelData, "<u2").reshape(dataset.Rows, dataset.Columns).astype(np.int64)


def _another(dataset: Dataset, name: str) -> Dataset:
    """A copy that is an instance of its own."""
    other = copy.deepcopy(dataset)
    name_instance(other, name, dataset.SOPInstanceUID)
    return other


def _in_middle(change: Callable[[Dataset], object]) -> Form:
    """The form in which one slice in the middle is changed."""

    def form(slices: Slices) -> Slices:
        change(slices[_MIDDLE])
        return slices

    return form


def _in_all(change: Callable[[Dataset], object]) -> Form:
    """The form in which every slice is changed."""

    def form(slices: Slices) -> Slices:
        for dataset in slices:
            change(dataset)
        return slices

    return form


def _reversed(slices: Slices) -> Slices:
    for number, dataset in enumerate(reversed(slices), start=1):
        dataset.InstanceNumber = number
    return slices[::-1]


def _shuffled(slices: Slices) -> Slices:
    mixed = [slices[i] for i in np.random.default_rng(0).permutation(len(slices))]
    for number, dataset in enumerate(mixed, start=1):
        dataset.InstanceNumber = number
    return [mixed[i] for i in np.random.default_rng(1).permutation(len(slices))]


def _mixed_series(slices: Slices) -> Slices:
    others = [_another(dataset, "other series") for dataset in slices[:8]]
    for dataset in others:
        dataset.SeriesInstanceUID = seeded_uid("other series", dataset.SeriesInstanceUID)
        dataset.SeriesNumber = 3
    return slices + others


def _localiser(slices: Slices) -> Slices:
    scout = _another(slices[_MIDDLE], "localiser")
    scout.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    scout.ImageOrientationPatient = [f"{v:.6f}" for v in ORIENTATIONS["sagittal"]]
    return [scout, *slices]


def _phases(keyword: str, values: tuple[object, object]) -> Form:
    """The form in which every slice position comes twice, told apart by one attribute."""

    def form(slices: Slices) -> Slices:
        both = []
        for dataset in slices:
            for value in values:
                both.append(_another(dataset, f"{keyword} {value}"))
                setattr(both[-1], keyword, value)
        return both

    return form


def _shift(dataset: Dataset) -> None:
    x, y, z = (float(v) for v in dataset.ImagePositionPatient)
    dataset.ImagePositionPatient = [f"{x + 7:.6f}", f"{y:.6f}", f"{z:.6f}"]


def _colour(dataset: Dataset) -> None:
    grey = (_stored(dataset) >> 4).astype(np.uint8)
    dataset.SamplesPerPixel, dataset.PlanarConfiguration, dataset.PhotometricInterpretation = 3, 0, "RGB"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.PixelData = np.repeat(grey[..., None], 3, axis=-1).tobytes()
    dataset["PixelData"].VR = "OB"


def _crop(dataset: Dataset) -> None:
    stored = _stored(dataset)[::2]
    dataset.Rows = len(stored)
    set_pixels(dataset, stored)


def _invert(dataset: Dataset) -> None:
    dataset.PhotometricInterpretation = "MONOCHROME1"
    set_pixels(dataset, 4095 - _stored(dataset))


def _own_rescale(slices: Slices) -> Slices:
    for i, dataset in enumerate(slices):
        slope, intercept = 1.0 + 0.25 * (i % 4), -STORED_ZERO - 10.0 * i
        set_pixels(dataset, np.rint((_stored(dataset) - STORED_ZERO - intercept) / slope))
        dataset.RescaleSlope, dataset.RescaleIntercept = f"{slope:g}", f"{intercept:g}"
    return slices


def _lookup_table(dataset: Dataset) -> None:
    table = Dataset()
    table.LUTDescriptor = [4096, 0, 16]
    table["LUTDescriptor"].VR = "US"
    table.LUTData = (np.arange(4096) + 5000).tolist()
    table["LUTData"].VR = "US"
    table.ModalityLUTType = "US"
    dataset.ModalityLUTSequence = [table]
    del dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType


def _pad(dataset: Dataset, declare: bool) -> None:
    stored = _stored(dataset)
    y, x = np.indices(stored.shape)
    stored[np.hypot((y - 31.5) / 32, (x - 23.5) / 24) > 1.0] = PADDING
    dataset.PixelRepresentation, dataset.BitsStored, dataset.HighBit = 1, 16, 15
    set_pixels(dataset, stored)
    if declare:
        dataset.add_new("PixelPaddingValue", "SS", PADDING)


def _jpeg_lossless(dataset: Dataset) -> None:
    """Compress with GDCM, the only free encoder of this transfer syntax (1.2.840.10008.1.2.4.70)."""
    import gdcm

    with TemporaryDirectory() as folder:
        plain, packed = Path(folder, "plain"), Path(folder, "packed")
        dataset.save_as(plain, enforce_file_format=True)
        reader, change, writer = gdcm.ImageReader(), gdcm.ImageChangeTransferSyntax(), gdcm.ImageWriter()
        reader.SetFileName(str(plain))
        reader.Read()
        change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
        change.SetInput(reader.GetImage())
        if not change.Change():
            raise RuntimeError("GDCM could not encode JPEG Lossless")
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        writer.SetFileName(str(packed))
        writer.Write()
        compressed = pydicom.dcmread(packed)
    dataset.PixelData = compressed.PixelData
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = compressed.file_meta.TransferSyntaxUID


def _compress(syntax: str) -> Form:
    return _in_all(lambda dataset: dataset.compress(syntax, generate_instance_uid=False))


def _syntax(syntax: str) -> Form:
    return _in_all(lambda dataset: setattr(dataset.file_meta, "TransferSyntaxUID", syntax))


def _report(slices: Slices) -> Slices:
    report = slices[0]
    report.SOPClassUID = report.file_meta.MediaStorageSOPClassUID = BasicTextSRStorage
    report.Modality = "SR"
    del report.PixelData, report.Rows, report.Columns
    return [report]


FORMS: dict[str, Form] = {
    "reversed": _reversed,
    "shuffled": _shuffled,
    "equal_instance_numbers": _in_all(lambda d: setattr(d, "InstanceNumber", 1)),
    "missing_slice": lambda slices: slices[:_MIDDLE] + slices[_MIDDLE + 1 :],
    "duplicate_instance": lambda slices: [*slices, copy.deepcopy(slices[_MIDDLE])],
    "mixed_series": _mixed_series,
    "localiser": _localiser,
    "two_phases": _phases("AcquisitionNumber", (1, 2)),
    "two_echoes": _phases("EchoTime", ("10", "80")),
    "mixed_orientation": _in_middle(
        lambda d: setattr(d, "ImageOrientationPatient", [f"{v:.6f}" for v in ORIENTATIONS["coronal"]])
    ),
    "mixed_matrix": _in_middle(_crop),
    "mixed_spacing": _in_middle(lambda d: setattr(d, "PixelSpacing", ["3.0", "4.25"])),
    "mixed_frame_of_reference": _in_middle(lambda d: setattr(d, "FrameOfReferenceUID", seeded_uid("elsewhere"))),
    "shifted_slice": _in_middle(_shift),
    "no_position": _in_middle(lambda d: delattr(d, "ImagePositionPatient")),
    "no_orientation": _in_all(lambda d: delattr(d, "ImageOrientationPatient")),
    "no_spacing": _in_all(lambda d: delattr(d, "PixelSpacing")),
    "zero_spacing": _in_all(lambda d: setattr(d, "PixelSpacing", ["0", "0"])),
    "rgb": _in_all(_colour),
    "monochrome1": _in_all(_invert),
    "own_rescale": _own_rescale,
    "lookup_table": _in_all(_lookup_table),
    "padding": _in_all(lambda d: _pad(d, declare=True)),
    "undeclared_padding": _in_all(lambda d: _pad(d, declare=False)),
    "report": _report,
    "enhanced_ct": lambda slices: [to_enhanced(slices)],
    "enhanced_mr": lambda slices: [to_enhanced(slices, "MR")],
    "enhanced_shuffled": lambda slices: [to_enhanced(_shuffled(slices))],
    "enhanced_gap": lambda slices: [to_enhanced(slices[:_MIDDLE] + slices[_MIDDLE + 1 :])],
    "enhanced_4d": lambda slices: [to_enhanced(_phases("TemporalPositionIdentifier", (1, 2))(slices))],
    "implicit_vr": _syntax(ImplicitVRLittleEndian),
    "deflated": _syntax(DeflatedExplicitVRLittleEndian),
    "rle": _compress(RLELossless),
    "jpeg_ls": _compress(JPEGLSLossless),
    "jpeg_2000": _compress(JPEG2000Lossless),
    "jpeg_lossless": _in_all(_jpeg_lossless),
    "truncated_compressed": _compress(JPEGLSLossless),
}
