"""Which scan a path stands for: the only one, the one that is named, or all; never a guess."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from scan_runs import save_nifti, small_volume

from bpfl_med.data.scan_volume import load_scan
from bpfl_med.data.scans import Scan, ScanError, check_output_apart, find_scans, unfinished_scans
from bpfl_med.data.volume_file import files_of_volume
from bpfl_med.demo.dicom_phantoms import write_series
from bpfl_med.dicom import NoSeriesError, SeriesError


def test_one_volume_file_is_a_scan(tmp_path):
    path = save_nifti(tmp_path / "case.v2.nii.gz", small_volume())
    expected = [Scan("case.v2", path, None)]
    assert find_scans(path) == expected
    assert find_scans(tmp_path) == expected
    assert find_scans(path, take_all=True) == expected


@pytest.mark.parametrize("take_all", [False, True])
def test_one_series_is_a_scan_wherever_its_files_lie(tmp_path, take_all):
    phantom = write_series(tmp_path / "in", kind="clutter")
    (scan,) = find_scans(tmp_path / "in", take_all=take_all)
    assert scan.name == scan.series_uid == phantom.series_uid
    assert load_scan(scan).series.shape == (24, 64, 48)


def test_one_dicom_file_is_a_scan_of_one_slice(tmp_path):
    phantom = write_series(tmp_path / "in")
    (scan,) = find_scans(phantom.files[3])
    assert load_scan(scan).values.shape == (48, 64, 1)


def test_several_series_need_a_choice(tmp_path):
    phantom = write_series(tmp_path / "in", kind="mixed_series")
    with pytest.raises(
        SeriesError,
        match=f"2 image series, so choose one by its UID \\(--series, in a bundle run --series_uid\\) "
        f"or all \\(--all, --take_all\\): .*{phantom.series_uid}",
    ):
        find_scans(tmp_path / "in")
    (chosen,) = find_scans(tmp_path / "in", series_uid=phantom.series_uid)
    assert len(load_scan(chosen).series.files) == 24
    both = find_scans(tmp_path / "in", take_all=True)
    assert len(both) == 2
    assert chosen.series_uid in {scan.series_uid for scan in both}


def test_several_volume_files_beside_series_are_told_with_all_choices(tmp_path):
    write_series(tmp_path / "in/dicom")
    for name in ("a.nii", "b.nii"):
        save_nifti(tmp_path / "in/deep" / name, small_volume())
    told = r"in: holds 2 volume file\(s\) beside DICOM images, the first is deep/a\.nii; give one, a series by its UID"
    with pytest.raises(ScanError, match=told):
        find_scans(tmp_path / "in")


@pytest.mark.parametrize("place", ["", "scan.PNG"], ids=["a folder", "a file"])
def test_pictures_are_told_where_they_are_scored(tmp_path, place):
    Image.new("L", (4, 4)).save(tmp_path / "scan.PNG")
    with pytest.raises(NoSeriesError, match=r"no image series \(.*\); .* scored by `run evaluating`, see README"):
        find_scans(tmp_path / place)
    (scan,) = find_scans(tmp_path, take_all=True)
    assert "scored by `run evaluating`" in str(scan.problem)


def test_several_volume_files_need_a_choice(tmp_path):
    for name in ("a.nii", "b.nii.gz"):
        save_nifti(tmp_path / name, small_volume())
    with pytest.raises(ScanError, match=r"holds 2 volume file\(s\), the first is a.nii; give one, or --all"):
        find_scans(tmp_path)
    assert [scan.name for scan in find_scans(tmp_path, take_all=True)] == ["a", "b"]


def test_a_volume_file_beside_dicom_images_needs_a_choice(tmp_path):
    phantom = write_series(tmp_path / "in", kind="single_slice")
    save_nifti(tmp_path / "in/converted.nii.gz", small_volume())
    with pytest.raises(ScanError, match="beside DICOM images, the first is converted"):
        find_scans(tmp_path / "in")
    names = {scan.name for scan in find_scans(tmp_path / "in", take_all=True)}
    assert names == {"converted", phantom.series_uid}


def test_all_scans_are_named_after_their_folders(tmp_path):
    save_nifti(tmp_path / "p1/t1.nii.gz", small_volume())
    save_nifti(tmp_path / "p2/deep/t1.nii.gz", small_volume())
    phantom = write_series(tmp_path / "p3", kind="single_slice")
    assert [scan.name for scan in find_scans(tmp_path, take_all=True)] == [
        "p1__t1",
        "p2__deep__t1",
        phantom.series_uid,
    ]


def test_hidden_files_and_folders_are_passed_over(tmp_path):
    save_nifti(tmp_path / "a.nii.gz", small_volume())
    save_nifti(tmp_path / ".b.nii.gz", small_volume())
    save_nifti(tmp_path / ".trash/c.nii.gz", small_volume())
    assert [scan.name for scan in find_scans(tmp_path)] == ["a"]
    assert [scan.name for scan in find_scans(tmp_path, take_all=True)] == ["a"]


def test_two_scans_of_one_name_are_refused(tmp_path):
    save_nifti(tmp_path / "a.nii", small_volume())
    save_nifti(tmp_path / "a.nii.gz", small_volume())
    save_nifti(tmp_path / "b.nii", small_volume())
    doubled, good = find_scans(tmp_path, take_all=True)
    assert good == Scan("b", tmp_path / "b.nii", None)
    with pytest.raises(ScanError, match=r"a\.nii\.gz: holds the scan a, as does .*a\.nii; give one at a time"):
        load_scan(doubled)


def test_a_series_spread_over_two_entries_is_not_two_scans(tmp_path):
    phantom = write_series(tmp_path / "in")
    for index, file in enumerate(phantom.files):
        folder = tmp_path / "in" / f"part{index % 2}"
        folder.mkdir(exist_ok=True)
        shutil.move(file, folder)
    (halves,) = find_scans(tmp_path / "in", take_all=True)
    with pytest.raises(ScanError, match=f"part1: holds the scan {phantom.series_uid}, as does .*part0"):
        load_scan(halves)
    (scan,) = find_scans(tmp_path / "in")
    assert load_scan(scan).series.shape[0] == 24


def test_a_folder_without_a_scan_is_a_scan_that_fails(tmp_path):
    save_nifti(tmp_path / "a.nii.gz", small_volume())
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "notes.txt").write_text("none")
    good, bad = find_scans(tmp_path, take_all=True)
    assert (good.name, bad.name) == ("a", "b")
    with pytest.raises(ScanError, match=r"/b: no image series \(files that are not DICOM: 1\)"):
        load_scan(bad)


def test_a_damaged_series_beside_a_volume_file_is_a_scan_that_fails(tmp_path):
    save_nifti(tmp_path / "case/old.nii.gz", small_volume())
    for file in write_series(tmp_path / "case/ct").files:
        file.write_bytes(b"")
    good, bad = find_scans(tmp_path, take_all=True)
    assert good.name == "case__old"
    with pytest.raises(ScanError, match=r"image001\.dcm: the file is empty \(and 23 more files cannot be used\)"):
        load_scan(bad)
    with pytest.raises(SeriesError, match=r"image001\.dcm: the file is empty"):
        find_scans(tmp_path / "case")


def test_scans_beside_a_loose_file_have_folders_of_their_own(tmp_path):
    for name in ("a", "b"):
        write_series(tmp_path / "in" / name, seed=ord(name))
    (tmp_path / "in/README.txt").write_text("an export")
    assert sorted(scan.path.name for scan in find_scans(tmp_path / "in", take_all=True)) == ["a", "b"]


def test_a_loose_file_changes_nothing_of_what_lies_in_folders(tmp_path):
    write_series(tmp_path / "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b/notes.txt").write_text("no scan")
    without = find_scans(tmp_path, take_all=True)
    assert [(scan.path.name, bool(scan.problem)) for scan in without] == [("a", False), ("b", True)]
    (tmp_path / "README.txt").write_text("an export")
    assert find_scans(tmp_path, take_all=True) == without


def test_an_entry_that_cannot_be_opened_does_not_cost_the_others(tmp_path, monkeypatch):
    phantom = write_series(tmp_path / "a")
    (tmp_path / "b").mkdir()
    real = Path.is_dir

    def fail(path: Path) -> bool:
        if path == tmp_path / "b":
            raise OSError(116, "Stale file handle")
        return real(path)

    monkeypatch.setattr(Path, "is_dir", fail)
    good, bad = find_scans(tmp_path, take_all=True)
    assert good.series_uid == phantom.series_uid
    assert bad.problem == f"{tmp_path}/b: cannot be opened (Stale file handle)"


def test_a_loose_link_to_nothing_is_told(tmp_path):
    write_series(tmp_path / "a")
    (tmp_path / "image.dcm").symlink_to(tmp_path / "lost.dcm")
    _, lost = find_scans(tmp_path, take_all=True)
    assert "image.dcm: the file cannot be opened or read (FileNotFoundError)" in str(lost.problem)


def test_a_loose_series_that_grows_between_search_and_loading_is_told(tmp_path):
    write_series(tmp_path / "a", seed=1)
    phantom = write_series(tmp_path, seed=2)
    last = phantom.files[-1].rename(tmp_path.parent / "late.dcm")
    _, loose = find_scans(tmp_path, take_all=True)
    last.rename(phantom.files[-1])
    with pytest.raises(ScanError, match="had 23 images when it was found and has 24 now; run again"):
        load_scan(loose)


def test_a_series_in_two_folders_is_refused_with_the_way_out(tmp_path):
    phantom = write_series(tmp_path / "a")
    (tmp_path / "b").mkdir()
    for file in phantom.files[12:]:
        file.rename(tmp_path / "b" / file.name)
    (scan,) = find_scans(tmp_path, take_all=True)
    assert str(scan.problem).endswith("give the folder that holds both, and its UID (--series)")
    (whole,) = find_scans(tmp_path, series_uid=phantom.series_uid)
    assert load_scan(whole).values.shape[2] == 24


def test_loose_files_are_a_scan_beside_those_in_folders(tmp_path):
    write_series(tmp_path / "a", seed=1)
    loose = write_series(tmp_path, seed=2)
    in_folder, of_files = find_scans(tmp_path, take_all=True)
    assert of_files.series_uid == loose.series_uid
    assert load_scan(of_files).checksum != load_scan(in_folder).checksum


def test_the_voxels_of_a_header_are_part_of_its_checksum(tmp_path):
    pytest.importorskip("itk")
    (tmp_path / "scan.mhd").write_text(
        "ObjectType = Image\nNDims = 3\nDimSize = 5 4 3\nElementType = MET_UCHAR\nElementDataFile = scan.raw\n"
    )
    sums = set()
    for value in (b"\1", b"\2"):
        (tmp_path / "scan.raw").write_bytes(value * 60)
        sums.add(load_scan(*find_scans(tmp_path / "scan.mhd")).checksum)
    assert len(sums) == 2


def test_the_voxels_of_a_nrrd_header_are_part_of_its_checksum(tmp_path):
    (tmp_path / "scan.nhdr").write_text("NRRD0004\ntype: uchar\ndimension: 3\nsizes: 5 4 3\ndata file: scan.raw\n")
    (tmp_path / "scan.raw").write_bytes(bytes(60))
    assert files_of_volume(tmp_path / "scan.nhdr") == [tmp_path / "scan.nhdr", tmp_path / "scan.raw"]


def test_what_is_hidden_beside_scans_is_no_scan(tmp_path):
    """The system's own files: a trash folder, and the shadow that macOS gives each file on a foreign disk."""
    path = save_nifti(tmp_path / "in/scan.nii.gz", small_volume())
    save_nifti(tmp_path / "in/.Trashes/deleted.nii.gz", small_volume())
    assert find_scans(tmp_path / "in", take_all=True) == [Scan("scan", path, None)]
    (tmp_path / "in/._scan.nii.gz").write_bytes(b"\0\5\x16\7")
    (tmp_path / "in/.DS_Store").write_bytes(b"\0\0\0\1Bud1")
    assert find_scans(tmp_path / "in", take_all=True) == [Scan("scan", path, None)]


def test_results_do_not_go_among_the_scans_by_a_link_or_a_relative_path(tmp_path, monkeypatch):
    (tmp_path / "in").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "in")
    monkeypatch.chdir(tmp_path)
    for output in (tmp_path / "link/out", Path("in/out"), Path("out/../in/out")):
        with pytest.raises(ScanError, match=rf"{output}: lies in {tmp_path}/in, where the input is"):
            check_output_apart(output, tmp_path / "in")
    check_output_apart(tmp_path / "out", tmp_path / "in")


def test_nothing_to_score_is_said(tmp_path):
    with pytest.raises(ScanError, match="nothing: there is no such file or folder"):
        find_scans(tmp_path / "nothing")
    with pytest.raises(SeriesError, match=r"no image series \(no files at all\)"):
        find_scans(tmp_path)
    with pytest.raises(ScanError, match="there is no scan in it"):
        find_scans(tmp_path, take_all=True)


def test_a_uid_picks_nothing_in_a_file_or_among_all(tmp_path):
    path = save_nifti(tmp_path / "a.nii.gz", small_volume())
    for arguments in ((path, False), (tmp_path, True)):
        with pytest.raises(ScanError, match="a series UID picks one of the DICOM series in a folder"):
            find_scans(arguments[0], series_uid="1.2.3", take_all=arguments[1])


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI", "ignore:The value length")
@pytest.mark.parametrize("uid", ["..", ".", "1..2", "a/b", "1." * 32 + "1"])
def test_a_uid_that_could_be_another_folder_is_refused(tmp_path, uid):
    phantom = write_series(tmp_path / "in", kind="single_slice")
    dataset = pydicom.dcmread(phantom.files[0])
    dataset.SeriesInstanceUID = uid
    dataset.save_as(phantom.files[0])
    refusal = "a SeriesInstanceUID is at most 64 digits and single dots"
    for options in ({}, {"series_uid": uid}):
        with pytest.raises(ScanError, match=refusal):
            find_scans(tmp_path / "in", **options)
    (scan,) = find_scans(tmp_path / "in", take_all=True)
    with pytest.raises(ScanError, match=refusal):
        load_scan(scan)


def test_resuming_leaves_out_what_has_a_result(tmp_path):
    scans = [Scan(name, tmp_path / name, None) for name in ("a", "b")]
    assert unfinished_scans(scans, tmp_path / "out", resume=True) == scans
    (tmp_path / "out/a").mkdir(parents=True)
    (tmp_path / "out/a/result.json").write_text('{"input": {}}')
    assert unfinished_scans(scans, tmp_path / "out", resume=True) == scans[1:]
    assert unfinished_scans(scans, tmp_path / "out", resume=False) == scans


@pytest.mark.parametrize("resume", [False, True])
def test_results_of_another_file_of_that_name_are_kept(tmp_path, resume):
    """Many archives name the files of all patients alike."""
    first, second = (save_nifti(tmp_path / name / "FLAIR.nii.gz", small_volume() + n) for n, name in enumerate("ab"))
    result = {"input": {"sha256": load_scan(*find_scans(first)).checksum}}
    (tmp_path / "out/FLAIR").mkdir(parents=True)
    (tmp_path / "out/FLAIR/result.json").write_text(json.dumps(result))
    assert unfinished_scans(find_scans(first), tmp_path / "out", resume=resume) == find_scans(first) * (not resume)
    (scan,) = unfinished_scans(find_scans(second), tmp_path / "out", resume=resume)
    with pytest.raises(ScanError, match=r"b/FLAIR\.nii\.gz: .*out/FLAIR holds the results of another file"):
        load_scan(scan)


@pytest.mark.parametrize(("file", "name"), [("a.b.nii.gz", "a.b"), ("SCAN.NII.GZ", "SCAN"), ("scan.nrrd", "scan")])
def test_a_volume_file_names_its_results_without_its_ending(tmp_path, file, name):
    (tmp_path / file).touch()
    (scan,) = find_scans(tmp_path / file)
    assert scan.name == name


@pytest.mark.parametrize("letter", ["a", "ä"], ids=["300 letters", "200 letters of two bytes each"])
def test_a_name_that_no_file_system_allows_is_a_scan_that_fails(tmp_path, letter):
    part = letter * (150 if letter == "a" else 100)
    deep = tmp_path / "in" / part / part
    save_nifti(deep / "c.nii", small_volume())
    (scan,) = unfinished_scans(find_scans(tmp_path / "in", take_all=True), tmp_path / "out", resume=False)
    with pytest.raises(ScanError, match=r"c\.nii: its folders' names are too long to name results"):
        load_scan(scan)


@pytest.mark.parametrize("resume", [False, True])
def test_nothing_but_results_is_ever_replaced(tmp_path, resume):
    """A folder named by its series' UID, as archives export them, is the scan itself."""
    for name in ("folder", "file"):
        scans = [Scan(name, tmp_path / name, "1.2.3")]
        (tmp_path / "folder").mkdir(exist_ok=True)
        (tmp_path / "file").touch()
        (scan,) = unfinished_scans(scans, tmp_path, resume=resume)
        with pytest.raises(ScanError, match=f"{name}: is there already and holds no results of this program"):
            load_scan(scan)


def test_results_are_not_scored_as_scans(tmp_path):
    save_nifti(tmp_path / "out/a/anomaly_map.nii.gz", small_volume())
    (tmp_path / "out/a/result.json").write_text('{"input": {}}')
    for output in ("out", "other"):
        with pytest.raises(ScanError, match="is a result of an earlier run"):
            unfinished_scans(find_scans(tmp_path, take_all=True), tmp_path / output, resume=False)


@pytest.mark.parametrize(
    ("shape", "is_vector", "found"),
    [
        ((4, 5, 6, 3), True, "3 axes and 3 values a voxel"),
        ((5, 6, 3), True, "2 axes and 3 values"),
        ((2, 4, 5, 6), False, "4 axes and 1 values"),
        ((5, 6), False, "2 axes and 1 values"),
    ],
)
def test_nrrd_that_is_no_grey_volume_is_refused(tmp_path, shape, is_vector, found):
    itk = pytest.importorskip("itk")
    path = tmp_path / "scan.nrrd"
    itk.imwrite(itk.image_from_array(np.zeros(shape, np.uint8), is_vector=is_vector), str(path))
    with pytest.raises(ScanError, match=f"scan.nrrd: must hold one 3-D volume of grey values, got {re.escape(found)}"):
        load_scan(*find_scans(path))


@pytest.mark.parametrize(
    ("name", "line", "is_known"),
    [
        ("scan.nrrd", b"space: left-posterior-superior\n", True),
        ("scan.nrrd", b"space: RAS\n", True),
        ("scan.nrrd", b"space: scanner-xyz\n", False),
        ("scan.nrrd", b"spacings: 1 2 3\n", False),
        ("scan.mha", b"TransformMatrix = 1 0 0 0 1 0 0 0 1\n", True),
        ("scan.mha", b"ElementSpacing = 1 2 3\n", False),
    ],
)
def test_a_volume_without_a_space_of_the_patient_is_announced(tmp_path, name, line, is_known):
    pytest.importorskip("itk")
    if name.endswith(".nrrd"):
        header = b"NRRD0004\ntype: short\ndimension: 3\nsizes: 5 4 3\n" + line
        if line.startswith(b"space:"):
            header += b"space directions: (1,0,0) (0,1,0) (0,0,1)\n"
        header += b"encoding: raw\nendian: little\n\n"
    else:
        header = b"ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n" + line
        header += b"DimSize = 5 4 3\nElementType = MET_SHORT\nElementDataFile = LOCAL\n"
    (tmp_path / name).write_bytes(header + bytes(2 * 60))
    volume = load_scan(*find_scans(tmp_path / name))
    assert volume.orientation_is_known == is_known
    told = ("The file names no space of the patient: left and right cannot be told apart.",)
    assert volume.notes == (() if is_known else told)


def test_a_header_that_names_no_file_of_voxels_is_told(tmp_path):
    pytest.importorskip("itk")
    header = "ObjectType = Image\nNDims = 3\nDimSize = 5 4 3\nElementType = MET_SHORT\nElementDataFile = \n"
    (tmp_path / "scan.mhd").write_text(header)
    with pytest.raises(ScanError, match=r"scan\.mhd: cannot be read"):
        load_scan(*find_scans(tmp_path / "scan.mhd"))


@pytest.mark.parametrize("resume", [False, True])
def test_a_header_whose_voxels_are_in_several_files_is_refused(tmp_path, resume):
    """A checksum of some of them would pass for one of all."""
    pytest.importorskip("itk")
    for index in range(3):
        (tmp_path / f"{index}.raw").write_bytes(bytes(2 * 20))
    header = b"ObjectType = Image\nNDims = 3\nDimSize = 5 4 3\nElementType = MET_SHORT\nElementDataFile = LIST\n"
    (tmp_path / "scan.mhd").write_bytes(header + b"0.raw\n1.raw\n2.raw\n")
    (tmp_path / "out/scan").mkdir(parents=True)
    (tmp_path / "out/scan/result.json").write_text('{"input": {}}')
    for output in ("out", "free"):
        (scan,) = unfinished_scans(find_scans(tmp_path / "scan.mhd"), tmp_path / output, resume=resume)
        with pytest.raises(ScanError, match=r"scan\.mhd: its voxels are in several files; save it as one"):
            load_scan(scan)


def test_damaged_and_not_finite_nrrd_are_refused(tmp_path):
    itk = pytest.importorskip("itk")
    values = np.zeros((3, 4, 5), np.float32)
    path = tmp_path / "scan.nrrd"
    itk.imwrite(itk.image_from_array(values), str(path))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ScanError, match=r"scan\.nrrd: cannot be read"):
        load_scan(*find_scans(path))
    values[1, 2, 3] = np.nan
    itk.imwrite(itk.image_from_array(values), str(path))
    with pytest.raises(ScanError, match="holds NaN or infinite values"):
        load_scan(*find_scans(path))


def test_a_volume_index_is_for_4d_files_alone(tmp_path):
    write_series(tmp_path / "in", kind="single_slice")
    (scan,) = find_scans(tmp_path / "in")
    assert load_scan(scan, volume_index=0).values.shape == (48, 64, 1)
    with pytest.raises(ScanError, match="has no volume 2; only a 4-D NIfTI file has more than volume 0"):
        load_scan(scan, volume_index=2)


def test_the_checksum_tells_contents_apart_and_not_names(tmp_path):
    one = save_nifti(tmp_path / "1.nii", small_volume())
    shutil.copy(one, tmp_path / "2.nii")
    save_nifti(tmp_path / "3.nii", small_volume(seed=1))
    one, two, three = (load_scan(scan).checksum for scan in find_scans(tmp_path, take_all=True))
    assert one == two != three
    assert len(one) == 64


def test_values_and_affine_of_a_series_are_ras(tmp_path):
    phantom = write_series(tmp_path / "in", kind="shuffled")
    volume = load_scan(*find_scans(Path(tmp_path / "in")))
    index = np.round(np.linalg.inv(volume.affine) @ [*(phantom.lesion_center * [-1, -1, 1]), 1])[:3].astype(int)
    assert volume.values[tuple(index)] == 300
    assert volume.values.dtype == np.float32
    assert volume.modality == "CT"


def test_a_folder_that_is_named_like_a_volume_file_is_a_folder(tmp_path):
    phantom = write_series(tmp_path / "scan.nii")
    assert [scan.series_uid for scan in find_scans(tmp_path / "scan.nii")] == [phantom.series_uid]
    assert [scan.series_uid for scan in find_scans(tmp_path, take_all=True)] == [phantom.series_uid]


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_one_bad_series_or_folder_of_an_export_does_not_cost_the_others(tmp_path):
    good = write_series(tmp_path / "good")
    odd = write_series(tmp_path / "odd", kind="single_slice", seed=1)
    dataset = pydicom.dcmread(odd.files[0])
    dataset.SeriesInstanceUID = "1.2.-7"
    dataset.save_as(odd.files[0])
    for file in write_series(tmp_path / "empty", seed=2).files:
        file.write_bytes(b"")
    (tmp_path / "README.txt").write_text("an export")
    (tmp_path / "DONE").touch()
    scans = find_scans(tmp_path, take_all=True)
    assert [scan.series_uid for scan in scans if not scan.problem] == [good.series_uid]
    told = sorted(scan.problem for scan in scans if scan.problem)
    assert len(told) == 2
    assert "empty/image001.dcm: the file is empty (and 23 more files cannot be used)" in told[0]
    assert "odd: a SeriesInstanceUID is at most 64 digits" in told[1]


def test_a_folder_without_a_scan_named_like_two_files_hides_them_not(tmp_path):
    (tmp_path / "case").mkdir()
    for ending in ("nii", "nii.gz"):
        save_nifti(tmp_path / f"case.{ending}", small_volume())
    doubled, nothing = find_scans(tmp_path, take_all=True)
    assert "holds the scan case, as does" in str(doubled.problem)
    assert "no image series" in str(nothing.problem)


@pytest.mark.parametrize("content", ['{"input": "a.nii"}', "null", "[]", "", "{'a': 1}"])
def test_a_result_of_another_program_is_never_replaced(tmp_path, content):
    (tmp_path / "out/a").mkdir(parents=True)
    (tmp_path / "out/a/result.json").write_text(content)
    scans = find_scans(save_nifti(tmp_path / "a.nii", small_volume()))
    for resume in (False, True):
        (scan,) = unfinished_scans(scans, tmp_path / "out", resume=resume)
        assert "holds no results of this program" in str(scan.problem)


def test_a_pipe_is_no_file(tmp_path):
    phantom = write_series(tmp_path / "in")
    os.mkfifo(tmp_path / "in/pipe")
    assert [scan.series_uid for scan in find_scans(tmp_path / "in")] == [phantom.series_uid]


def test_a_uid_picks_a_series_beside_a_volume_file(tmp_path):
    phantom = write_series(tmp_path)
    save_nifti(tmp_path / "a.nii", small_volume())
    (scan,) = find_scans(tmp_path, series_uid=phantom.series_uid)
    assert scan.series_uid == phantom.series_uid
