"""The NIfTI reader announces or refuses what is unusual; the writer keeps the grid of the input."""

from __future__ import annotations

import gzip
from pathlib import Path

import itk
import nibabel as nib
import numpy as np
import pytest

from bpfl_med.data.nifti import NiftiError, read_nifti, write_like, write_volume

OBLIQUE = np.array([[-1.9, 0.3, 0.1, 20.0], [0.3, 1.4, -0.5, -30.0], [0.2, 0.4, 2.9, 7.0], [0, 0, 0, 1]])
ORTHOGONAL = np.diag([-2.0, 1.5, 3.0, 1.0])
TILTED = ORTHOGONAL + np.array([[0, 0, 0.1, 0], *[[0] * 4] * 3])  # by 2 degrees, as a gantry may be
SHARED = Path(__file__).parents[2].parent / "shared/data/ms_lesion_nifti"


def save(
    path: Path,
    data: np.ndarray,
    affine: np.ndarray = ORTHOGONAL,
    *,
    sform: int = 1,
    qform: int = 1,
    units: str = "mm",
    qform_affine: np.ndarray | None = None,
) -> Path:
    image = nib.Nifti1Image(data, None)
    image.header.set_zooms(np.linalg.norm(affine[:3, :3], axis=0)[: data.ndim].tolist() + [1] * (data.ndim - 3))
    image.header.set_sform(affine, sform)
    if qform:
        image.header.set_qform(affine if qform_affine is None else qform_affine, qform)
    image.header.set_xyzt_units(units)
    nib.save(image, path)
    return path


@pytest.fixture
def ramp() -> np.ndarray:
    return np.arange(4 * 5 * 6, dtype=np.float32).reshape(4, 5, 6)


def test_values_and_affine_are_those_of_itk(tmp_path, ramp):
    stored = ramp.astype(np.int16)
    image = nib.Nifti1Image(stored, ORTHOGONAL)
    image.header.set_slope_inter(0.5, -3.0)
    nib.save(image, tmp_path / "a.nii.gz")
    ours = read_nifti(tmp_path / "a.nii.gz")
    theirs = itk.imread(str(tmp_path / "a.nii.gz"), itk.F)
    np.testing.assert_allclose(ours.data, itk.array_from_image(theirs).transpose(2, 1, 0), atol=1e-6)
    corner = np.array(theirs.TransformIndexToPhysicalPoint([3, 4, 5])) * [-1, -1, 1]
    np.testing.assert_allclose((ours.affine @ [3, 4, 5, 1])[:3], corner, atol=1e-5)
    assert ours.data.dtype == np.float32
    assert ours.notes == ()


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_file_cut_short_is_refused(tmp_path, ramp, name):
    path = save(tmp_path / name, np.random.default_rng(0).random((20, 20, 20)))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(NiftiError, match=r"a\.nii.*: cut short"):
        read_nifti(path)


def test_what_is_no_nifti_is_refused(tmp_path):
    (tmp_path / "a.nii").write_bytes(b"text" * 200)
    with pytest.raises(NiftiError, match=r"a\.nii: no single-file NIfTI"):
        read_nifti(tmp_path / "a.nii")
    with pytest.raises(NiftiError, match=r"b\.nii: no such file"):
        read_nifti(tmp_path / "b.nii")


def test_a_trailing_axis_of_one_is_dropped(tmp_path, ramp):
    image = read_nifti(save(tmp_path / "a.nii", ramp[..., None]))
    np.testing.assert_array_equal(image.data, ramp)
    assert image.notes == ("Trailing axes of length 1 were dropped: the shape in the file is (4, 5, 6, 1).",)


def test_four_axes_need_an_index(tmp_path, ramp):
    path = save(tmp_path / "a.nii", np.stack([ramp, ramp + 1000], axis=-1))
    with pytest.raises(NiftiError, match=r"a\.nii: has 2 volumes .*choose one by an index"):
        read_nifti(path)
    with pytest.raises(NiftiError, match=r"has no volume 2; give an index from 0 to 1"):
        read_nifti(path, index=2)
    image = read_nifti(path, index=1)
    np.testing.assert_array_equal(image.data, ramp + 1000)
    assert image.notes == ("Volume 1 of 2 was taken (counted from 0).",)


def test_two_axes_are_one_slice_and_come_back_as_two(tmp_path, ramp):
    image = read_nifti(save(tmp_path / "a.nii", ramp[..., 0]))
    assert image.data.shape == (4, 5, 1)
    assert image.notes == ("The file is 2-D and taken as a volume of one slice.",)
    write_like(image.data, image, tmp_path / "b.nii")
    assert nib.load(tmp_path / "b.nii").shape == (4, 5)


@pytest.mark.parametrize(
    ("dtype", "kind"), [(np.complex64, "complex"), (np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]), "colour")]
)
def test_complex_and_colour_are_refused(tmp_path, dtype, kind):
    nib.save(nib.Nifti1Image(np.zeros((3, 4, 5), dtype), np.eye(4)), tmp_path / "a.nii")
    with pytest.raises(NiftiError, match=rf"a\.nii: holds {kind} values"):
        read_nifti(tmp_path / "a.nii")


def test_nan_and_infinity_become_the_lowest_value_and_are_counted(tmp_path, ramp):
    ramp[0, 0, :4] = [np.nan, np.inf, -np.inf, np.nan]
    image = read_nifti(save(tmp_path / "a.nii", ramp))
    np.testing.assert_array_equal(image.data[0, 0], [4, 4, 4, 4, 4, 5])
    assert image.notes == ("4 voxels are NaN or infinite and were set to the lowest finite value, 4.",)
    with pytest.raises(NiftiError, match="no voxel is finite"):
        read_nifti(save(tmp_path / "b.nii", np.full((3, 3, 3), np.nan, np.float32)))


@pytest.mark.parametrize(("units", "factor", "name"), [("meter", 1000.0, "metre"), ("micron", 0.001, "micrometre")])
def test_other_units_are_announced_and_converted(tmp_path, ramp, units, factor, name):
    image = read_nifti(save(tmp_path / "a.nii", ramp, units=units))
    np.testing.assert_allclose(image.affine, np.diag([factor, factor, factor, 1]) @ ORTHOGONAL)
    assert image.notes[0].startswith(f"The header's length unit is the {name}; the affine is converted to mm")
    write_like(image.data, image, tmp_path / "b.nii")
    assert nib.load(tmp_path / "b.nii").header.get_xyzt_units()[0] == units
    np.testing.assert_allclose(nib.load(tmp_path / "b.nii").affine, ORTHOGONAL)


def test_the_origin_is_converted_to_mm_as_well(tmp_path, ramp):
    affine = ORTHOGONAL.copy()
    affine[:3, 3] = [90, -126, -72]
    image = read_nifti(save(tmp_path / "a.nii", ramp, np.diag([0.001, 0.001, 0.001, 1]) @ affine, units="meter"))
    np.testing.assert_allclose(image.affine, affine, rtol=1e-6)


def test_a_header_without_codes_is_announced(tmp_path, ramp):
    image = read_nifti(save(tmp_path / "a.nii", ramp, sform=0, qform=0))
    assert image.notes == (
        "Neither sform nor qform is set: orientation is unknown, left and right cannot be told apart.",
    )
    write_like(image.data, image, tmp_path / "b.nii")
    header = nib.load(tmp_path / "b.nii").header
    assert (int(header["sform_code"]), int(header["qform_code"])) == (0, 0)


def test_a_conflict_of_sform_and_qform_is_announced(tmp_path, ramp):
    moved = ORTHOGONAL.copy()
    moved[0, 3] += 25.0
    image = read_nifti(save(tmp_path / "a.nii", ramp, qform_affine=moved))
    assert image.notes == ("sform and qform disagree by up to 25.0 mm; the sform is used.",)
    np.testing.assert_allclose(image.affine, ORTHOGONAL)
    write_like(image.data, image, tmp_path / "b.nii")
    np.testing.assert_allclose(nib.load(tmp_path / "b.nii").get_qform(), moved, atol=1e-5)


def test_half_a_millimetre_is_a_conflict_of_sform_and_qform(tmp_path, ramp):
    moved = ORTHOGONAL.copy()
    moved[0, 3] += 0.5
    image = read_nifti(save(tmp_path / "a.nii", ramp, qform_affine=moved))
    assert image.notes == ("sform and qform disagree by up to 0.5 mm; the sform is used.",)


def test_a_conflict_of_sform_and_qform_is_told_in_mm_whatever_the_unit(tmp_path, ramp):
    moved = ORTHOGONAL.copy()
    moved[0, 3] += 0.025  # m
    image = read_nifti(save(tmp_path / "a.nii", ramp, qform_affine=moved, units="meter"))
    assert image.notes[1] == "sform and qform disagree by up to 25.0 mm; the sform is used."


def test_a_sheared_affine_is_announced_and_kept(tmp_path, ramp):
    image = read_nifti(save(tmp_path / "a.nii", ramp, OBLIQUE, qform=0))
    np.testing.assert_allclose(image.affine, OBLIQUE, atol=1e-6)
    assert image.notes == ("The affine is sheared: its axes are not at right angles.",)


def test_an_affine_without_volume_is_refused(tmp_path, ramp):
    with pytest.raises(NiftiError, match="affine is not invertible"):
        read_nifti(save(tmp_path / "a.nii", ramp, np.diag([1.0, 1.0, 0.0, 1.0]), qform=0))


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_outputs_keep_the_grid_and_drop_text_and_extensions(tmp_path, ramp, kind):
    image = kind(ramp.astype(np.int16), OBLIQUE)
    image.header.set_sform(OBLIQUE, 4)
    image.header.set_qform(ORTHOGONAL, 2)
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_slope_inter(2.0, 1.0)
    image.header["descrip"] = b"Doe^Jane"
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"Doe^Jane"))
    nib.save(image, tmp_path / "a.nii.gz")
    like = read_nifti(tmp_path / "a.nii.gz")
    for data in (np.random.default_rng(0).random(ramp.shape, np.float32), (ramp > 50).astype(np.uint8)):
        write_like(data, like, tmp_path / "b.nii.gz")
        written = nib.load(tmp_path / "b.nii.gz")
        assert isinstance(written, kind)
        assert written.get_data_dtype() == data.dtype
        np.testing.assert_array_equal(np.asanyarray(written.dataobj), data)
        for field in ("sform_code", "qform_code", "srow_x", "srow_y", "srow_z", "qoffset_x", "quatern_b", "xyzt_units"):
            np.testing.assert_array_equal(written.header[field], like.header[field])
        np.testing.assert_array_equal(written.header["pixdim"], like.header["pixdim"])
        assert b"Doe^Jane" not in gzip.decompress((tmp_path / "b.nii.gz").read_bytes())


def test_no_free_text_and_no_display_range_of_the_input_stays(tmp_path, ramp):
    """Short fields can hold a name as well, and a mask shown with the range of its scan is black."""
    image = nib.Nifti1Image(ramp, ORTHOGONAL)
    for field in ("descrip", "aux_file", "intent_name", "db_name", "data_type"):
        image.header[field] = b"Doe^Jane"
    image.header["cal_min"], image.header["cal_max"] = 100, 1000
    nib.save(image, tmp_path / "a.nii")
    write_like((ramp > 50).astype(np.uint8), read_nifti(tmp_path / "a.nii"), tmp_path / "b.nii")
    assert b"Doe" not in (tmp_path / "b.nii").read_bytes()
    header = nib.load(tmp_path / "b.nii").header
    assert (header["cal_min"], header["cal_max"]) == (0, 0)


def test_the_same_data_give_the_same_bytes_and_nothing_half_written_stays(tmp_path, ramp):
    like = read_nifti(save(tmp_path / "a.nii", ramp))
    write_like(ramp, like, tmp_path / "one.nii.gz")
    write_like(ramp, like, tmp_path / "two.nii.gz")
    assert (tmp_path / "one.nii.gz").read_bytes() == (tmp_path / "two.nii.gz").read_bytes()
    assert (tmp_path / "one.nii.gz").read_bytes()[4:8] == bytes(4)  # gzip's field for the time of writing
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.nii", "one.nii.gz", "two.nii.gz"]


def test_wrong_shapes_types_and_values_are_refused(tmp_path, ramp):
    like = read_nifti(save(tmp_path / "a.nii", ramp))
    with pytest.raises(ValueError, match=r"shape of the input image \(4, 5, 6\), got \(4, 5, 5\)"):
        write_like(ramp[..., :5], like, tmp_path / "b.nii")
    with pytest.raises(ValueError, match="float32 or uint8, got float64"):
        write_like(ramp.astype(np.float64), like, tmp_path / "b.nii")
    with pytest.raises(ValueError, match="data must be finite"):
        write_like(np.full_like(ramp, np.nan), like, tmp_path / "b.nii")


@pytest.mark.parametrize(("affine", "qform"), [(ORTHOGONAL, 1), (OBLIQUE, 0), (TILTED, 0)])
def test_a_volume_in_scanner_coordinates(tmp_path, ramp, affine, qform):
    write_volume(ramp, affine, tmp_path / "a.nii.gz")
    written = nib.load(tmp_path / "a.nii.gz")
    np.testing.assert_allclose(written.affine, affine, atol=1e-6)
    assert (int(written.header["sform_code"]), int(written.header["qform_code"])) == (1, qform)
    assert written.header.get_xyzt_units()[0] == "mm"


@pytest.mark.skipif(not SHARED.exists(), reason=f"{SHARED} is not beside the checkout")
def test_a_real_scan(tmp_path):
    path = next(SHARED.rglob("FLAIR.nii.gz"))
    image = read_nifti(path)
    np.testing.assert_array_equal(image.data, nib.load(path).get_fdata(dtype=np.float32))
    np.testing.assert_array_equal(image.affine, nib.load(path).affine)


def test_a_unit_of_time_does_not_hide_that_of_length(tmp_path):
    image = nib.Nifti1Image(np.zeros((3, 4, 5), np.float32), np.diag([0.002, 0.002, 0.003, 1]))
    image.header.set_xyzt_units("meter", "sec")
    nib.save(image, tmp_path / "a.nii")
    np.testing.assert_allclose(np.diag(read_nifti(tmp_path / "a.nii").affine), [2, 2, 3, 1], rtol=1e-6)


def test_a_negative_index_is_no_volume(tmp_path):
    nib.save(nib.Nifti1Image(np.zeros((3, 4, 5, 2), np.float32), np.eye(4)), tmp_path / "a.nii")
    with pytest.raises(NiftiError, match=r"has no volume -1; give an index from 0 to 1"):
        read_nifti(tmp_path / "a.nii", index=-1)


@pytest.mark.parametrize(("field", "value"), [("vox_offset", 0), ("dim", [3, 3, 4, 4, 1, 1, 1, 1])])
def test_a_header_that_does_not_fit_the_file_is_refused(tmp_path, field, value):
    """Bytes of the header would be voxels, or the picture would be sheared."""
    nib.save(nib.Nifti1Image(np.ones((3, 4, 5), np.float32), np.eye(4)), tmp_path / "a.nii")
    content = (tmp_path / "a.nii").read_bytes()
    header = nib.Nifti1Header(content[:348], check=False)
    header[field] = value
    (tmp_path / "a.nii").write_bytes(header.binaryblock + content[348:])
    with pytest.raises(NiftiError, match=r"a\.nii: its header describes \d+ bytes, .* convert it again"):
        read_nifti(tmp_path / "a.nii")


def test_zeros_behind_the_voxels_are_padding(tmp_path):
    nib.save(nib.Nifti1Image(np.ones((3, 4, 5), np.float32), np.eye(4)), tmp_path / "a.nii")
    with (tmp_path / "a.nii").open("ab") as file:
        file.write(bytes(8))
    assert (read_nifti(tmp_path / "a.nii").data == 1).all()


@pytest.mark.parametrize("offset", ["nan", "inf"])
def test_an_offset_that_is_no_number_is_refused(tmp_path, offset):
    nib.save(nib.Nifti1Image(np.zeros((3, 4, 5), np.float32), np.eye(4)), tmp_path / "a.nii")
    content = bytearray((tmp_path / "a.nii").read_bytes())
    content[108:112] = np.float32(offset).tobytes()
    (tmp_path / "a.nii").write_bytes(content)
    with pytest.raises(NiftiError, match="no single-file NIfTI that can be parsed"):
        read_nifti(tmp_path / "a.nii")
