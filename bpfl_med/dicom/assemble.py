"""Frames of one series -> a checked `DicomSeries`, or an error that says which files stand in the way."""

from __future__ import annotations

import filecmp
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from bpfl_med.dicom import geometry
from bpfl_med.dicom.checks import check_alike, check_each, name_files, what_differs
from bpfl_med.dicom.files import read_with_pixels
from bpfl_med.dicom.frames import Frame
from bpfl_med.dicom.series import DicomSeries, SeriesError


def assemble_series(frames: Sequence[Frame], allow_gaps: bool) -> DicomSeries:
    """Order the frames of one series by position along their normal and check that they make one true volume.

    Args:
        frames: all frames that share one SeriesInstanceUID, in any order.
        allow_gaps: accept a stack in which slices seem to be missing; it then has no affine.

    Returns:
        The series, with notes on what was dropped or is unusual.

    Raises:
        SeriesError: names the files for which no true geometry exists.
    """
    notes: list[str] = []
    kept = _drop_localisers(_drop_repeats(frames, notes), notes)
    check_each(kept)
    check_alike(kept)

    positions = np.array([f.position for f in kept])
    orientation = np.array(kept[0].orientation)
    stack = geometry.stack_slices(positions, orientation)
    kept, positions = [kept[i] for i in stack.order], positions[stack.order]
    pixel_spacing = (float(kept[0].spacing[0]), float(kept[0].spacing[1]))  # type: ignore[index]  # checked above

    _refuse_shared_positions(kept, stack)
    tilt = _refuse_shifts(kept, stack, min(pixel_spacing), notes)
    even = _describe_steps(kept, stack, allow_gaps, notes)
    _describe_numbers(kept, notes)
    _describe_values(kept, notes)

    affine = None
    if even:
        straight = positions[0] + geometry.normal_of(orientation) * (stack.heights[-1] - stack.heights[0])
        last = positions[-1] if tilt else straight
        step = _single_slice_step(kept[0], notes) if len(kept) == 1 else 0.0
        affine = geometry.affine_of(positions[0], last, len(kept), orientation, pixel_spacing, step)
    return DicomSeries(
        series_uid=kept[0].series_uid,
        study_uid=kept[0].study_uid,
        modality=kept[0].modality,
        frame_of_reference_uid=kept[0].frame_of_reference_uid,
        files=tuple(f.path for f in kept),
        frame_numbers=tuple(f.number for f in kept),
        sop_instance_uids=tuple(f.sop_instance_uid for f in kept),
        instance_numbers=tuple(f.instance_number for f in kept),
        positions=positions,
        orientation=orientation,
        pixel_spacing=pixel_spacing,
        shape=(len(kept), *kept[0].matrix),
        affine=affine,
        notes=tuple(notes),
    )


def _drop_repeats(frames: Sequence[Frame], notes: list[str]) -> list[Frame]:
    """Keep one of the files that hold the same instance, once it is sure that they are the same."""
    first: dict[tuple[str, int], Frame] = {}
    same: dict[tuple[Path, Path], bool] = {}  # files, so that those of many frames are compared once
    repeats = 0
    for frame in frames:
        key = (frame.sop_instance_uid or str(frame.path), frame.number)
        other = first.setdefault(key, frame)
        if other is frame:
            continue
        files = (other.path, frame.path)
        if files not in same:
            same[files] = _same_pixels(*files)
        if not same[files] or replace(frame, path=other.path) != other:
            raise SeriesError(
                f"{name_files([other, frame])}: the same SOPInstanceUID with different contents; remove the wrong one"
            )
        repeats += 1
    if repeats:
        notes.append(f"Images found more than once (same SOPInstanceUID, same contents) and used once: {repeats}.")
    return list(first.values())


def _same_pixels(one: Path, other: Path) -> bool:
    """Whether two files hold the same bytes or, stored with different compression, the same pixels."""
    if filecmp.cmp(one, other, shallow=False):
        return True
    try:
        return np.array_equal(read_with_pixels(one).pixel_array, read_with_pixels(other).pixel_array)
    except Exception:  # what cannot be decoded is not known to be the same
        return False


def _drop_localisers(frames: list[Frame], notes: list[str]) -> list[Frame]:
    """Leave out the overview images that some scanners file under the UID of the series that was planned on them."""
    slices = [f for f in frames if not f.is_localiser]
    if not slices or len(slices) == len(frames):
        return frames
    # Not by their files, whose names may be a patient's.
    uids = ", ".join(dict.fromkeys(f.sop_instance_uid for f in frames if f.is_localiser))
    notes.append(f"Localiser images left out: SOPInstanceUID {uids}.")
    return slices


def _refuse_shared_positions(frames: Sequence[Frame], stack: geometry.Stack) -> None:
    shared = np.flatnonzero(geometry.same_position(stack))
    if shared.size:
        i = int(shared[0])
        pair = frames[i : i + 2]
        raise SeriesError(
            f"{name_files(pair)}: two images at one slice position ({what_differs(pair)}), at {shared.size} positions "
            "of the series, so this is a 4-D series or two scans in one; give one phase or echo as a series of its own"
        )


def _refuse_shifts(frames: Sequence[Frame], stack: geometry.Stack, pixel: float, notes: list[str]) -> float:
    tilt, shifted = geometry.tilt_and_shifted(stack, pixel)
    if shifted.any():
        raise SeriesError(
            f"{name_files([f for f, is_off in zip(frames, shifted, strict=True) if is_off])}: shifted inside the slice "
            f"plane against the other slices of the series; export the original series or leave such slices out"
        )
    if tilt > geometry.LARGEST_TILT:
        raise SeriesError(
            f"{name_files(frames[:2])}: neighbouring slices are shifted in-plane by more than their distance "
            f"({tilt:.0f} degrees), which is no scanner's tilt; export the original series"
        )
    if tilt:
        notes.append(f"The stack is tilted by {tilt:.2f} degrees (gantry tilt); the affine is sheared accordingly.")
    return tilt


def _describe_steps(frames: Sequence[Frame], stack: geometry.Stack, allow_gaps: bool, notes: list[str]) -> bool:
    """Refuse or note missing slices, note uneven spacing; whether the spacing is even."""
    missing = geometry.missing_after(stack)
    if missing.any():
        gap = int(np.flatnonzero(missing)[0])
        where = name_files(frames[gap : gap + 2])
        if not allow_gaps:
            raise SeriesError(
                f"{where}: these neighbours are {stack.steps[gap]:.2f} mm apart, most others "
                f"{float(np.median(stack.steps)):.2f} mm, so slices seem to be missing (about {int(missing.sum())} in "
                "the whole series); add them or allow gaps (--allow-gaps)"
            )
        notes.append(f"Missing slices, as allowed: about {int(missing.sum())}, in {np.count_nonzero(missing)} gap(s).")
    even = geometry.is_even(stack)
    if not even:
        steps = f"{stack.steps.min():.2f} to {stack.steps.max():.2f} mm"
        notes.append(f"Slices are unevenly spaced ({steps}), so no single affine is true.")
    return even


def _describe_numbers(frames: Sequence[Frame], notes: list[str]) -> None:
    """Note numbers that no slice has: where a scan was thinned evenly, nothing else tells."""
    numbers = {f.instance_number for f in frames if f.instance_number is not None}
    absent = max(numbers) - min(numbers) + 1 - len(numbers) if numbers else 0
    if absent and not frames[0].multi_frame:
        notes.append(f"Instance numbers between the lowest and the highest that no slice has: {absent}.")


def _describe_values(frames: Sequence[Frame], notes: list[str]) -> None:
    """Note what headers tell of the values that a reader would not expect."""
    inverted = sum(f.photometric == "MONOCHROME1" for f in frames)
    if inverted:
        notes.append(f"MONOCHROME1 slices, whose stored values are inverted before they are rescaled: {inverted}.")
    if frames[0].modality == "CT" and frames[0].rescale_type not in ("", "HU"):
        notes.append(f"The CT slices' RescaleType is {frames[0].rescale_type}, so their values may be no HU.")
    if frames[0].modality == "CT" and not frames[0].has_rescale:
        notes.append("The CT slices lack a rescale slope or intercept: 1 and 0 are taken, so they may be no HU.")
    if not frames[0].frame_of_reference_uid:
        notes.append("There is no FrameOfReferenceUID, so other objects cannot be laid over this series.")


def _single_slice_step(frame: Frame, notes: list[str]) -> float:
    """What a single slice counts as its thickness in the affine, mm."""
    if frame.thickness is not None and np.isfinite(frame.thickness) and frame.thickness > 0:
        notes.append(
            f"The series is a single slice; its SliceThickness of {frame.thickness:g} mm stands in the affine."
        )
        return frame.thickness
    notes.append("The series is a single slice without a SliceThickness; 1 mm stands in the affine.")
    return 1.0
