"""Stored pixels become real values, whatever their packing."""

from __future__ import annotations

import hashlib

import numpy as np
import pydicom
import pytest
from reading import select_series

from bpfl_med.demo.dicom_phantoms import write_series
from bpfl_med.dicom import SeriesError, read_volume


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> np.ndarray:
    folder = tmp_path_factory.mktemp("plain")
    write_series(folder)
    return read_volume(select_series(folder)).values


def volume_of(folder, kind) -> np.ndarray:
    write_series(folder, kind=kind)
    volume = read_volume(select_series(folder)).values
    assert volume.dtype == np.float32
    assert np.isfinite(volume).all()
    return volume


@pytest.mark.parametrize(
    "kind",
    ["implicit_vr", "deflated", "rle", "jpeg_ls", "jpeg_2000", "jpeg_lossless", "enhanced_ct", "enhanced_shuffled"],
)
def test_every_lossless_packing_gives_the_same_values(tmp_path, plain, kind):
    np.testing.assert_array_equal(volume_of(tmp_path, kind), plain)


def test_a_file_that_is_another_than_when_its_header_was_read_is_refused(tmp_path):
    write_series(tmp_path)
    series = select_series(tmp_path)
    first, last = series.files[0], series.files[-1]
    first.rename(tmp_path / "kept")
    last.rename(first)
    (tmp_path / "kept").rename(last)
    with pytest.raises(SeriesError, match="holds another object than when the series was read; run again"):
        read_volume(series)


def test_jpeg_lossless_is_the_one_that_archives_use(tmp_path):
    phantom = write_series(tmp_path, kind="jpeg_lossless")
    assert pydicom.dcmread(phantom.files[0]).file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.4.70"


def test_monochrome1_is_inverted_and_said(tmp_path, plain):
    np.testing.assert_array_equal(volume_of(tmp_path, "monochrome1"), plain)
    assert select_series(tmp_path).notes == (
        "MONOCHROME1 slices, whose stored values are inverted before they are rescaled: 24.",
    )


def test_signed_monochrome1_is_inverted_about_its_own_middle(tmp_path, plain):
    phantom = write_series(tmp_path)
    for file in phantom.files:
        dataset = pydicom.dcmread(file)
        dataset.PixelRepresentation, dataset.BitsStored, dataset.HighBit = 1, 16, 15
        dataset.PhotometricInterpretation = "MONOCHROME1"
        dataset.PixelData = (-1 - dataset.pixel_array.astype(np.int16)).tobytes()
        dataset.save_as(file)
    np.testing.assert_array_equal(read_volume(select_series(tmp_path)).values, plain)


@pytest.mark.parametrize("bits", [12, 16])
@pytest.mark.parametrize("metal", [False, True])
def test_a_monochrome1_ct_whose_values_were_never_inverted_is_refused(tmp_path, bits, metal):
    """The standard asks a viewer alone to invert it, and some scanners do so."""
    for file in write_series(tmp_path).files:
        dataset = pydicom.dcmread(file)
        dataset.PhotometricInterpretation, dataset.BitsStored, dataset.HighBit = "MONOCHROME1", bits, bits - 1
        if metal:  # would be darker than air
            dataset.PixelData = np.full(3, 2**bits - 1, "<u2").tobytes() + dataset.PixelData[6:]
        dataset.save_as(file)
    with pytest.raises(SeriesError, match=r"image001\.dcm and 23 more: MONOCHROME1 CT whose median is .*MONOCHROME2"):
        read_volume(select_series(tmp_path))


def test_a_monochrome1_ct_whose_air_is_padding_is_read(tmp_path, plain):
    for file in write_series(tmp_path, kind="monochrome1").files:
        dataset = pydicom.dcmread(file)
        dataset.add_new("PixelPaddingValue", "US", 4095 - 24)  # air, as it is stored
        dataset.save_as(file)
    values = read_volume(select_series(tmp_path)).values
    inside = plain > -1000
    np.testing.assert_array_equal(values[inside], plain[inside])


def test_a_monochrome1_scan_of_no_unit_needs_no_air(tmp_path, plain):
    for file in write_series(tmp_path).files:
        dataset = pydicom.dcmread(file)
        dataset.Modality, dataset.PhotometricInterpretation = "MR", "MONOCHROME1"
        dataset.save_as(file)
    np.testing.assert_array_equal(read_volume(select_series(tmp_path)).values, 4095 - 2048 - plain)


def test_each_slice_has_its_own_slope_and_intercept(tmp_path, plain):
    np.testing.assert_allclose(volume_of(tmp_path, "own_rescale"), plain, atol=0.88)  # half of the largest slope, 1.75


def test_a_modality_lookup_table_is_applied(tmp_path, plain):
    np.testing.assert_array_equal(volume_of(tmp_path, "lookup_table"), plain + 1024 + 5000)


@pytest.mark.parametrize("kind", ["padding", "undeclared_padding"])
def test_padding_takes_the_lowest_real_value(tmp_path, plain, kind):
    volume = volume_of(tmp_path, kind)
    assert volume.min() == -1000
    inside = np.hypot((np.arange(64)[:, None] - 31.5) / 32, (np.arange(48) - 23.5) / 24) <= 1
    np.testing.assert_array_equal(volume[:, inside], plain[:, inside])
    assert (volume[:, ~inside] == -1000).all()


def test_padding_written_as_an_unsigned_number_is_known(tmp_path):
    phantom = write_series(tmp_path, kind="padding")
    for file in phantom.files:
        dataset = pydicom.dcmread(file)
        dataset.Modality, dataset.RescaleType = "MR", "US"  # no help from Hounsfield units
        del dataset["PixelPaddingValue"]
        dataset.add_new("PixelPaddingValue", "US", 65536 - 2000)
        dataset.save_as(file)
    assert read_volume(select_series(tmp_path)).values.min() == -1000


def test_a_padding_range_is_known(tmp_path):
    phantom = write_series(tmp_path)
    for file in phantom.files:
        dataset = pydicom.dcmread(file)
        dataset.add_new("PixelPaddingValue", "US", 0)
        dataset.add_new("PixelPaddingRangeLimit", "US", 1024 + 30)
        dataset.save_as(file)
    assert read_volume(select_series(tmp_path)).values.min() == 31


@pytest.mark.parametrize(
    ("kind", "reason"), [("padding", "declared padding"), ("undeclared_padding", "below -1500 HU"), (None, None)]
)
def test_pixels_that_are_set_to_another_value_are_counted(tmp_path, plain, kind, reason):
    write_series(tmp_path, **({"kind": kind} if kind else {}))
    outside = np.hypot((np.arange(64)[:, None] - 31.5) / 32, (np.arange(48) - 23.5) / 24) > 1
    told = f"{24 * outside.sum()} pixels ({reason}) are no measurement and set to the lowest real value of the volume."
    assert read_volume(select_series(tmp_path)).notes == ((told,) if kind else ())


def test_the_checksum_is_that_of_the_files_in_slice_order(tmp_path):
    write_series(tmp_path, kind="shuffled")
    series = select_series(tmp_path)
    digests = b"".join(hashlib.sha256(file.read_bytes()).digest() for file in series.files)
    assert read_volume(series).checksum == hashlib.sha256(digests).hexdigest()


def test_a_file_that_is_gone_is_named(tmp_path):
    write_series(tmp_path)
    series = select_series(tmp_path)
    series.files[3].unlink()
    with pytest.raises(SeriesError, match=r"\.dcm: cannot be read \(No such file or directory\); copy the file"):
        read_volume(series)


@pytest.mark.parametrize("unit", ["ED", "Z_EFF", "MGML"])
def test_a_ct_that_is_in_no_hounsfield_units_is_refused(tmp_path, unit):
    for file in write_series(tmp_path).files:
        dataset = pydicom.dcmread(file)
        dataset.RescaleType = unit
        dataset.save_as(file)
    with pytest.raises(SeriesError, match=r"image001\.dcm, .* and 21 more: a RescaleType that is no HU"):
        select_series(tmp_path)


def test_a_slice_in_another_unit_is_refused(tmp_path):
    file = write_series(tmp_path).files[4]
    dataset = pydicom.dcmread(file)
    dataset.RescaleType = "US"
    dataset.save_as(file)
    with pytest.raises(SeriesError, match=r"image005\.dcm: another RescaleType than the other 23 of 24"):
        select_series(tmp_path)


def test_a_ct_of_an_unspecified_unit_is_read_and_said(tmp_path):
    for file in write_series(tmp_path).files:
        dataset = pydicom.dcmread(file)
        dataset.RescaleType = "US"
        dataset.save_as(file)
    assert select_series(tmp_path).notes == ("The CT slices' RescaleType is US, so their values may be no HU.",)


def test_nothing_but_padding_is_refused(tmp_path):
    phantom = write_series(tmp_path)
    for file in phantom.files:
        dataset = pydicom.dcmread(file)
        dataset.add_new("PixelPaddingValue", "US", 0)
        dataset.add_new("PixelPaddingRangeLimit", "US", 4095)
        dataset.save_as(file)
    with pytest.raises(SeriesError, match=r"image001\.dcm and 23 more: all pixels are padding"):
        read_volume(select_series(tmp_path))


def test_a_slope_of_zero_is_refused(tmp_path):
    phantom = write_series(tmp_path)
    dataset = pydicom.dcmread(phantom.files[4])
    dataset.RescaleSlope = 0
    dataset.save_as(phantom.files[4])
    with pytest.raises(SeriesError, match=r"image005\.dcm: a RescaleSlope that is zero"):
        select_series(tmp_path)


def test_ct_without_rescale_is_read_and_said(tmp_path, plain):
    phantom = write_series(tmp_path)
    for file in phantom.files:
        dataset = pydicom.dcmread(file)
        del dataset.RescaleSlope, dataset.RescaleIntercept
        dataset.save_as(file)
    series = select_series(tmp_path)
    np.testing.assert_array_equal(read_volume(series).values, plain + 1024)
    assert series.notes == (
        "The CT slices lack a rescale slope or intercept: 1 and 0 are taken, so they may be no HU.",
    )


@pytest.mark.parametrize("kind", ["jpeg_ls", "jpeg_2000", "rle"])
def test_pixels_that_do_not_decode_are_named(tmp_path, kind):
    phantom = write_series(tmp_path, kind=kind)
    dataset = pydicom.dcmread(phantom.files[7])
    dataset.PixelData = pydicom.encaps.encapsulate([bytes(200)])
    dataset["PixelData"].VR = "OB"
    dataset.save_as(phantom.files[7])
    with pytest.raises(SeriesError, match=r"image008\.dcm: its pixels cannot be decoded \(\w+\); copy the file"):
        read_volume(select_series(tmp_path))


def test_noise_below_air_is_no_padding(tmp_path):
    for file in write_series(tmp_path).files:
        dataset = pydicom.dcmread(file)
        dataset.RescaleIntercept = -1424
        dataset.save_as(file)
    assert read_volume(select_series(tmp_path)).values.min() == -1400


@pytest.mark.parametrize(("modality", "unit"), [("MR", "HU"), ("CT", "US")])
def test_low_values_that_are_no_hounsfield_units_are_kept(tmp_path, modality, unit):
    for file in write_series(tmp_path).files:
        dataset = pydicom.dcmread(file)
        dataset.Modality, dataset.RescaleType, dataset.RescaleIntercept = modality, unit, -3000
        dataset.save_as(file)
    assert read_volume(select_series(tmp_path)).values.min() == -2976


def test_other_pixels_than_the_header_says_are_refused(tmp_path, monkeypatch):
    write_series(tmp_path)
    series = select_series(tmp_path)
    monkeypatch.setattr("bpfl_med.dicom.volume.iter_pixels", lambda *_, **__: iter([np.zeros((1, 48), np.int16)]))
    with pytest.raises(SeriesError, match=r"decodes to \(1, 48\) pixels, not \(64, 48\)"):
        read_volume(series)


def test_padding_becomes_the_lowest_value_of_all_slices(tmp_path):
    phantom = write_series(tmp_path, kind="padding")
    image = pydicom.dcmread(phantom.files[5])
    pixels = image.pixel_array.copy()
    pixels[pixels != image.PixelPaddingValue] += 100
    image.PixelData = pixels.tobytes()
    image.save_as(phantom.files[5])
    values = read_volume(select_series(tmp_path)).values
    assert len(set(values[:, 0, 0].tolist())) == 1
    assert values[0, 0, 0] == values.min()


def test_a_ct_without_a_rescale_type_has_hounsfield_units(tmp_path):
    phantom = write_series(tmp_path, kind="undeclared_padding")
    for file in phantom.files:
        image = pydicom.dcmread(file)
        del image.RescaleType
        image.save_as(file)
    assert read_volume(select_series(tmp_path)).values.min() >= -1500
