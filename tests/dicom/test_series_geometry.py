"""Even, uneven, gapped, tilted, shifted: what the positions of slices say."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from reading import select_series

from bpfl_med.demo.dicom_phantoms import TILT, write_series
from bpfl_med.dicom import SeriesError
from bpfl_med.dicom.geometry import is_even, missing_after, normal_of, same_position, stack_slices, tilt_and_shifted

AXIAL = np.array([1.0, 0, 0, 0, 1.0, 0])


def stack_of(heights, x=0.0):
    """An axial stack at these heights, its corners at these x (mm)."""
    heights = np.asarray(heights, dtype=float)
    return stack_slices(np.stack([np.broadcast_to(x, heights.shape), 0 * heights, heights], axis=1), AXIAL)


def edit(file, **values):
    """Change attributes of a DICOM file in its place."""
    dataset = pydicom.dcmread(file)
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    dataset.save_as(file)


def heights_of(steps):
    return np.concatenate([[0.0], np.cumsum(steps)])


@pytest.mark.parametrize(
    ("steps", "missing"),
    [
        ([5, 5, 10, 5, 5], [0, 0, 1, 0, 0]),  # one slice lost
        ([5, 5, 20, 5, 5], [0, 0, 3, 0, 0]),  # three in a row lost
        ([5, 10, 5, 15, 5, 5], [0, 1, 0, 2, 0, 0]),  # two gaps
        ([5, 10, 10, 5, 5, 5], [0, 1, 1, 0, 0, 0]),  # every other one lost, twice
        ([5.01, 4.98, 10.02, 5, 5.02], [0, 0, 1, 0, 0]),  # positions that jitter
        ([5, 5, 5, 5, 10, 10, 10, 10], [0] * 8),  # head CT in two blocks
        ([5] * 5 + [10] * 3, [0] * 8),  # the second block as short as one can be
        ([2.5] * 6 + [5] * 3 + [10] * 5, [0] * 14),  # in three
        ([5, 5, 5, 7.5, 10, 10, 10], [0] * 7),  # blocks that touch
        ([5, 5, 5, 5, 10, 10, 20, 10, 10, 10], [0] * 6 + [1] + [0] * 3),  # a gap in the second block
        ([5, 5, 7.5, 5, 5], [0] * 5),  # no whole multiple
        ([3.0, 4.1, 5.7, 6.9], [0] * 4),  # nothing regular
        ([5, 5, 5], [0] * 3),
        ([5], [0]),
        ([], []),
    ],
)
def test_a_gap_is_told_from_a_second_spacing(steps, missing):
    np.testing.assert_array_equal(missing_after(stack_of(heights_of(steps))), missing)


@pytest.mark.parametrize(
    ("heights", "even"),
    [
        (np.arange(9) * 0.625, True),
        (np.round(np.arange(400) * 0.6249, 1), True),  # positions rounded to a tenth of a millimetre
        ([0, 5, 10.3, 15, 20], False),
        (np.cumsum(np.linspace(5.0, 5.05, 50)), False),  # each step nearly the same, but the drift adds up
        ([0, 5], True),
        ([0], True),
    ],
)
def test_even_means_that_each_slice_is_in_its_place(heights, even):
    assert is_even(stack_of(heights)) is even


@pytest.mark.parametrize(
    ("x", "tilt", "shifted"),
    [
        ([0, 0, 0, 0, 0], 0.0, []),
        ([0, 5, 10, 15, 20], 45.0, []),
        ([0.0, 0.01, -0.02, 0.02, 0.0], 0.0, []),  # rounding
        ([0, 0, 3, 0, 0], 0.0, [2]),
        ([3, 0, 0, 0, 0], 0.0, [0]),
        ([0, 0, 0, 0, 3], 0.0, [4]),
        ([0, 1, 2, 6, 4], 11.31, [3]),
    ],
)
def test_a_tilt_is_a_line_and_a_shift_is_off_it(x, tilt, shifted):
    found, off = tilt_and_shifted(stack_of(np.arange(5) * 5.0, np.array(x, dtype=float)), pixel=1.0)
    assert found == pytest.approx(tilt, abs=0.01)
    assert np.flatnonzero(off).tolist() == shifted


def test_slices_at_one_position_are_found_whatever_the_step():
    assert same_position(stack_of([0, 0, 5, 5])).tolist() == [True, False, True]
    assert not same_position(stack_of([0, 0.1, 0.2])).any()


def test_a_slice_almost_at_the_place_of_another_is_at_its_position():
    assert same_position(stack_of([0, 0.2, 5, 10, 15])).tolist() == [True, False, False, False]  # mm


def test_a_stack_that_bows_has_no_slice_in_its_place():
    """Its ends lie on the line and most steps agree with their middle, so no few slices can be named: all are told."""
    bow = [0, 0.04, 0.08, 0.12, 0.15, 0.12, 0.08, 0.04, 0]  # mm
    assert tilt_and_shifted(stack_of(np.arange(9) * 5.0, bow), pixel=1.0)[1].all()


def test_an_offset_below_tolerance_does_not_shear_the_affine(tmp_path):
    last = write_series(tmp_path).files[-1]
    x, y, z = pydicom.dcmread(last).ImagePositionPatient
    edit(last, ImagePositionPatient=[x + 0.05, y, z])  # mm
    series = select_series(tmp_path)
    assert series.notes == ()
    np.testing.assert_allclose(series.affine[:3, 2], [0, 0, 6], atol=1e-12)


def test_a_shift_is_held_against_the_smaller_side_of_a_pixel(tmp_path):
    phantom = write_series(tmp_path)
    for file in phantom.files:
        edit(file, PixelSpacing=[0.2, 4.0])
    x, y, z = pydicom.dcmread(phantom.files[4]).ImagePositionPatient
    edit(phantom.files[4], ImagePositionPatient=[x, y + 0.08, z])  # mm: 40 % of a pixel
    with pytest.raises(SeriesError, match=r"image005\.dcm: shifted inside the slice plane"):
        select_series(tmp_path)


def test_uneven_spacing_is_taken_without_an_affine(tmp_path):
    write_series(tmp_path, kind="uneven")
    series = select_series(tmp_path)
    assert series.affine is None
    assert series.shape == (24, 64, 48)
    assert series.notes == ("Slices are unevenly spaced (3.00 to 6.00 mm), so no single affine is true.",)


@pytest.mark.parametrize("kind", ["missing_slice", "enhanced_gap"])
def test_a_gap_is_taken_when_it_is_allowed(tmp_path, kind):
    write_series(tmp_path, kind=kind)
    series = select_series(tmp_path, allow_gaps=True)
    assert series.shape[0] == 23
    assert series.affine is None
    assert series.notes[0] == "Missing slices, as allowed: about 1, in 1 gap(s)."


def test_a_tilted_stack_gets_its_sheared_affine(tmp_path):
    write_series(tmp_path, kind="tilted")
    series = select_series(tmp_path)
    assert series.notes == (
        f"The stack is tilted by {TILT:.2f} degrees (gantry tilt); the affine is sheared accordingly.",
    )
    step = series.affine[:3, 2] * [-1, -1, 1]
    np.testing.assert_allclose(step, [0, 0, 6], atol=1e-5)  # the table moves straight, the planes lean
    angle = np.degrees(np.arccos(step @ normal_of(series.orientation) / 6))
    assert angle == pytest.approx(TILT, abs=1e-3)


@pytest.mark.parametrize(
    ("thickness", "step", "note"), [("6", 6.0, "SliceThickness of 6 mm"), (None, 1.0, "1 mm stands")]
)
def test_a_single_slice_is_a_volume_of_one_slice(tmp_path, thickness, step, note):
    phantom = write_series(tmp_path, kind="single_slice")
    if thickness is None:
        dataset = pydicom.dcmread(phantom.files[0])
        del dataset.SliceThickness
        dataset.save_as(phantom.files[0])
    series = select_series(tmp_path)
    assert series.shape == (1, 64, 48)
    np.testing.assert_allclose(series.affine[:3, 2], [0, 0, step])
    assert note in series.notes[0]


def test_slices_that_lean_more_than_any_gantry_are_refused(tmp_path):
    phantom = write_series(tmp_path)
    for i, file in enumerate(phantom.files):
        dataset = pydicom.dcmread(file)
        dataset.ImagePositionPatient = [-95.0 + 7 * i, *dataset.ImagePositionPatient[1:]]
        dataset.save_as(file)
    with pytest.raises(SeriesError, match=r"shifted in-plane by more than their distance \(49 degrees\)"):
        select_series(tmp_path)


def test_a_shift_is_held_against_the_size_of_a_pixel():
    shifted = stack_of(np.arange(5) * 5.0, x=[0, 0, 0.08, 0, 0])  # mm: over a quarter of a pixel of 0.2 mm
    assert np.flatnonzero(tilt_and_shifted(shifted, pixel=0.2)[1]).tolist() == [2]
    assert not tilt_and_shifted(shifted, pixel=1.0)[1].any()


def test_thin_slices_are_held_against_their_own_step():
    assert not is_even(stack_of([0, 0.2, 0.46, 0.6, 0.8]))  # 0.06 mm off: 30 % of the step


def test_where_no_step_is_common_nothing_is_called_missing():
    np.testing.assert_array_equal(missing_after(stack_of(np.cumsum([0, 5, 5, 10, 7.3, 8.6]))), [0] * 5)
