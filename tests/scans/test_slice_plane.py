"""Pictures show a patient as radiologists view them, whatever the order and direction of the voxel axes."""

from __future__ import annotations

from itertools import permutations, product

import nibabel as nib
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from bpfl_med.slice_plane import SlicePlane, evenly_chosen, first_apart

SHAPE = (3, 4, 5)
DIRECTIONS = [
    np.eye(3)[:, list(order)] * np.array(signs)
    for order in permutations(range(3))
    for signs in product([1, -1], repeat=3)
]
TURNED = Rotation.from_euler("zyx", [14.0, -11.0, 8.0], degrees=True).as_matrix()


def affine_of(direction: np.ndarray) -> np.ndarray:
    return nib.affines.from_matvec(direction * [0.7, 1.3, 2.9], [11.0, -23.0, 5.0])


def coordinates(affine: np.ndarray) -> list[np.ndarray]:
    """Three volumes that hold the R, A and S coordinate of each voxel."""
    return list(np.moveaxis(nib.affines.apply_affine(affine, np.moveaxis(np.indices(SHAPE), 0, -1)), -1, 0))


@pytest.mark.parametrize("turned", [np.eye(3), TURNED], ids=["straight", "oblique"])
@pytest.mark.parametrize("direction", DIRECTIONS, ids=lambda d: "".join(nib.aff2axcodes(affine_of(d))))
def test_views_in_all_48_orientations(direction, turned):
    affine = affine_of(turned @ direction)
    right, anterior, superior = coordinates(affine)
    down_and_right = {"axial": (-anterior, -right), "coronal": (-superior, -right), "sagittal": (-superior, -anterior)}
    through = {"axial": superior, "coronal": anterior, "sagittal": right}
    for name, (downwards, rightwards) in down_and_right.items():
        plane = SlicePlane.of_plane(name, affine)
        assert (np.diff(plane.pictures(downwards), axis=1) > 0).all()
        assert (np.diff(plane.pictures(rightwards), axis=2) > 0).all()
        steps = np.abs(np.diff(plane.pictures(through[name]), axis=0))
        assert (steps > 0.5).all(), "slices follow the third patient axis"
        sizes = plane.pixel_size(affine)
        corner, next_slice, below, beside = (
            np.array([plane.pictures(c)[place] for c in (right, anterior, superior)])
            for place in [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]
        )
        assert plane.slice_distance(affine) == pytest.approx(np.linalg.norm(next_slice - corner))
        np.testing.assert_allclose(sizes, (np.linalg.norm(below - corner), np.linalg.norm(beside - corner)))
        assert plane.edges(affine) == {"axial": "RLAP", "coronal": "RLHF", "sagittal": "APHF"}[name]


def test_the_edges_of_an_acquired_picture_are_told_as_it_was_stored():
    """Against nibabel's names of the directions in which columns and rows run."""
    for direction in DIRECTIONS:
        affine = affine_of(TURNED @ direction)
        right, down, _ = nib.aff2axcodes(affine)
        opposite = dict(zip("RLAPSI", "LRPAIS", strict=True))
        expected = (opposite[right] + right + opposite[down] + down).translate(str.maketrans("SI", "HF"))
        assert SlicePlane.of_plane("acquired", affine).edges(affine) == expected


@pytest.mark.parametrize("name", ["axial", "coronal", "sagittal", "acquired"])
def test_putting_back_is_the_inverse_of_cutting(name):
    volume = np.arange(np.prod(SHAPE), dtype=np.float32).reshape(SHAPE)
    plane = SlicePlane.of_plane(name, affine_of(DIRECTIONS[29]))
    back = np.zeros_like(volume)
    pictures = plane.pictures(volume)
    for index in range(len(pictures)):
        plane.pictures(back)[index] = pictures[index]
    np.testing.assert_array_equal(back, volume)
    assert np.shares_memory(pictures, volume)


def test_acquired_pictures_are_as_a_dicom_series_stores_them():
    volume = np.arange(np.prod(SHAPE)).reshape(SHAPE)  # [column, row, slice]
    pictures = SlicePlane.of_plane("acquired", affine_of(DIRECTIONS[29])).pictures(volume)
    np.testing.assert_array_equal(pictures, volume.transpose(2, 1, 0))


def test_another_plane_is_refused():
    with pytest.raises(ValueError, match="axial, coronal, sagittal or acquired, got 'oblique'"):
        SlicePlane.of_plane("oblique", np.eye(4))


def test_first_apart_keeps_the_order_and_passes_over_near_ones():
    assert first_apart(3, [5, 6, 4, 8, 2, 9], gap=3) == [5, 8, 2]
    assert first_apart(2, [5, 6, 8, 2], gap=3) == [5, 8]
    assert first_apart(9, [5, 6, 7], gap=1.5) == [5, 7]
    assert first_apart(2, [], gap=1) == []


def test_evenly_chosen_takes_the_middle_of_equal_parts_and_nothing_twice():
    assert evenly_chosen(1, range(11)) == [5]
    assert evenly_chosen(3, range(11)) == [1, 5, 9]
    assert evenly_chosen(9, [4, 7]) == [4, 7]
    assert evenly_chosen(2, []) == []
