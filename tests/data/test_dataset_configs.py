"""Each data set's config reads a small copy in the layout of its source, and a curated one with meta.json."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from layouts import save
from monai.bundle import ConfigParser
from volumes import save_patient

# Of each data set: its normal pictures, its abnormal ones with their masks (None: there are none), pictures that must
# not be read, and the class names.
LAYOUTS: dict[str, tuple[list[str], dict[str, str | None], list[str], set[str]]] = {
    "brain_mri": (
        ["no/1.jpg", "no/2.jpeg"],
        {"yes/Y1.JPG": None, "yes/Y2.png": None},
        ["brain_tumor_dataset/no/1.jpg"],
        {"brain"},
    ),
    "brain_mri_released_153": (
        ["no/1.jpg"],
        {"yes/Y1.JPG": None},
        ["no/2.JPG", "no/3.jpeg", "yes/Y2.jpg", "yes/Y3.png"],
        {"brain ct"},
    ),
    "br35h": (["no/no0.jpg"], {"yes/y0.jpg": None}, ["pred/pred0.jpg"], {"brain"}),
    "head_ct": (["head_ct/000.png"], {"head_ct/001.png": None}, [], {"head ct"}),
    "isic": (
        [],
        {"ISBI2016_ISIC_Part1_Test_Data/ISIC_1.jpg": ("ISBI2016_ISIC_Part1_Test_GroundTruth/ISIC_1_Segmentation.png")},
        [],
        {"skin"},
    ),
    "cvc_colondb": ([], {"images/1.png": "masks/1.png", "images/10.png": "masks/10.png"}, [], {"colon"}),
    "cvc_clinicdb": ([], {"Original/1.tif": "Ground Truth/1.tif"}, [], {"colon"}),
    "endo": ([], {"images/a.jpg": "masks/a.png"}, [], {"colon"}),
    "kvasir_seg": ([], {"train/images/a.jpg": "train/masks/a.jpg"}, [], {"colon"}),
    "mvtec_ad": (
        ["bottle/test/good/000.png", "wood/test/good/000.png"],
        {
            "bottle/test/glue/000.png": "bottle/ground_truth/glue/000_mask.png",
            "wood/test/color/000.png": "wood/ground_truth/color/000_mask.png",
        },
        ["bottle/train/good/000.png"],
        {"bottle", "wood"},
    ),
    "visa": (
        ["candle/Data/Images/Normal/0.JPG"],
        {"candle/Data/Images/Anomaly/0.JPG": "candle/Data/Masks/Anomaly/0.png"},
        ["candle/Data/Images/Normal/1.JPG"],
        {"candle"},
    ),
    "btad": (
        ["01/test/ok/0000.bmp", "02/test/ok/0000.png"],
        {
            "01/test/ko/0000.bmp": "01/ground_truth/ko/0000.png",
            "03/test/ko/0000.bmp": "03/ground_truth/ko/0000.bmp",
        },
        ["01/train/ok/0000.bmp"],
        {"01", "02", "03"},
    ),
    "ksdd2": (["test/20000.png"], {"test/20001.png": "test/20001_GT.png"}, ["train/10000.png"], {"surface"}),
    "rsdd": (
        [],
        {
            f"Type-{kind} RSDDs dataset/Rail surface images/rail_1.jpg": (
                f"Type-{kind} RSDDs dataset/GroundTruth/rail_1.jpg"
            )
            for kind in ("I", "II")
        },
        [],
        {"rail"},
    ),
    "dagm": (
        ["Class1/Test/0001.PNG", "Class10/Test/0001.PNG"],
        {"Class1/Test/0002.PNG": "Class1/Test/Label/0002_label.PNG"},
        ["Class1/Train/0003.PNG"],
        {"Class1", "Class10"},
    ),
    "dtd_synthetic": (
        ["Woven_001/test/good/000.png"],
        {"Woven_001/test/bad/000.png": "Woven_001/ground_truth/bad/000_mask.png"},
        ["Woven_001/train/good/000.png"],
        {"Woven_001"},
    ),
    "magnetic_tile": (
        ["MT_Free/Imgs/a.jpg", "MT_Uneven/Imgs/b.jpg"],
        {"MT_Fray/Imgs/c.jpg": "MT_Fray/Imgs/c.png"},
        [],
        {"magnetic tile"},
    ),
    "neu_seg": ([], {"images/1.jpg": "annotations/1.png"}, [], {"steel surface"}),
}
# Black masks of normal pictures, and the value that marks a pixel where it is not 255.
BLACK_MASKS = {
    "ksdd2": {"test/20000.png": "test/20000_GT.png"},
    "magnetic_tile": {
        "MT_Free/Imgs/a.jpg": "MT_Free/Imgs/a.png",
        "MT_Uneven/Imgs/b.jpg": "MT_Uneven/Imgs/b.png",
    },
}
VALUES = {"visa": 1, "neu_seg": 3}
TABLES = {
    "head_ct": ("labels.csv", "id, hemorrhage\n0,0\n1,1\n"),
    "visa": (
        "split_csv/1cls.csv",
        "object,split,label,image,mask\n"
        "candle,train,normal,candle/Data/Images/Normal/1.JPG,\n"
        "candle,test,normal,candle/Data/Images/Normal/0.JPG,\n"
        "candle,test,anomaly,candle/Data/Images/Anomaly/0.JPG,candle/Data/Masks/Anomaly/0.png\n",
    ),
}
# Of each set of volumes: a patient's volume and mask.
VOLUMES = {
    "ms_lesion": ("patient07/FLAIR.nii.gz", "patient07/lesion.nii.gz"),
    "brats": ("BraTS20_Training_001/BraTS20_Training_001_flair.nii.gz", "BraTS20_Training_001/a_seg.nii.gz"),
}


def parse(repository: Path, root: Path, *overlays: str) -> ConfigParser:
    """Read the bundle's evaluation with overlays."""
    parser = ConfigParser()
    bundle = repository / "bundles/bayes_pfl/configs"
    parser.read_config(
        [
            str(path)
            for path in (
                bundle / "inference.json",
                bundle / "evaluate.json",
                *(repository / f"configs/{name}.yaml" for name in overlays),
            )
        ]
    )
    parser["dataset_dir"] = str(root)
    return parser


def write_copy(root: Path, name: str) -> None:
    normal, abnormal, others, _ = LAYOUTS[name]
    save(*(root / path for path in (*normal, *abnormal, *others, *BLACK_MASKS.get(name, {}).values())))
    save(*(root / path for path in abnormal.values() if path), marked=VALUES.get(name, 255))
    if name in TABLES:
        table, text = TABLES[name]
        (root / table).parent.mkdir(exist_ok=True)
        (root / table).write_text(text)


def as_found(items: list[dict[str, Any]], root: Path) -> list[tuple[str, int, str | None]]:
    return [
        (
            str(Path(item["image"]).relative_to(root)),
            item["label"],
            item["mask"] and str(Path(item["mask"]).resolve().relative_to(root.resolve())),
        )
        for item in items
    ]


def as_written(name: str) -> list[tuple[str, int, str | None]]:
    normal, abnormal, _, _ = LAYOUTS[name]
    return [*((path, 0, None) for path in normal), *((path, 1, mask) for path, mask in abnormal.items())]


def test_every_labelled_data_set_has_a_layout_here(repository):
    names = {path.stem for path in (repository / "configs/datasets").glob("*.yaml")}
    assert names - LAYOUTS.keys() - VOLUMES.keys() == {"unlabelled"}


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_layout_of_its_source(repository, tmp_path, name):
    write_copy(tmp_path, name)
    parser = parse(repository, tmp_path, f"datasets/{name}")
    items = parser.get_parsed_content("checked_datalist").items
    black = BLACK_MASKS.get(name, {})
    expected = [(path, label, black.get(path, mask)) for path, label, mask in as_written(name)]
    assert sorted(as_found(items, tmp_path)) == sorted(expected)
    assert {item["class_name"] for item in items} == LAYOUTS[name][3]
    if counts := parser["published_counts"]:  # null where no source was seen
        assert set(counts) == {"normal", "abnormal"}
        assert (counts["normal"] > 0) == bool(LAYOUTS[name][0])
    assert ("pixel" in parser["metrics"]) == any(LAYOUTS[name][1].values())
    assert ("image" in parser["metrics"]) == bool(LAYOUTS[name][0])


def test_categories_of_small_defects_are_scored_by_fewer_pixels(repository, tmp_path):
    """Seven categories have a number of their own in the released program, over both data sets."""
    top_k = [parse(repository, tmp_path, f"datasets/{name}")["top_k_by_class"] for name in ("mvtec_ad", "visa")]
    seven = {"capsules", "macaroni1", "macaroni2", "pipe_fryum", "screw", "cashew", "chewinggum"}
    assert top_k[0] | top_k[1] == dict.fromkeys(seven, 20)
    assert top_k[0].keys() == {"screw"}


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_grey_value_above_which_a_mask_marks(repository, tmp_path, name):
    """Masks that number defects or their kinds mark all above 0; grey edges of the others are cut in the middle."""
    numbered = {"visa", "neu_seg", "magnetic_tile"}
    assert parse(repository, tmp_path, f"datasets/{name}")["mask_threshold"] == (0 if name in numbered else 127)


def test_volumes_are_read_alike_and_say_so(repository, tmp_path):
    """Any label of a mask is a lesion; the score of a slice needs no other slice; a report names plane and limit."""
    read = [parse(repository, tmp_path, f"datasets/{name}") for name in VOLUMES]
    for parser in read:
        assert (parser["lesion_above"], parser["score_protocol"]) == (0, "paper")
        assert "'lesion_above': @lesion_above" in parser["report::settings"]
    assert len({parser["report::settings"] for parser in read}) == 1


@pytest.mark.parametrize("name", VOLUMES)
def test_the_layout_of_volumes(repository, tmp_path, name):
    volume, mask = VOLUMES[name]
    patient = save_patient(tmp_path / "written")
    (tmp_path / "data" / volume).parent.mkdir(parents=True)
    patient.rename(tmp_path / "data" / volume)
    (patient.parent / "lesion.nii.gz").rename(tmp_path / "data" / mask)
    parser = parse(repository, tmp_path / "data", f"datasets/{name}")
    parser["output_dir"] = str(tmp_path / "out")
    (item,) = parser.get_parsed_content("volumes")
    assert (item["image"], item["mask"]) == (str(tmp_path / "data" / volume), str(tmp_path / "data" / mask))
    slices = parser.get_parsed_content("checked_datalist").items
    assert [item["label"] for item in slices] == [0, 1, 1, 0]
    assert {item["class_name"] for item in slices} == {"brain"}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_curated_copy(repository, tmp_path, name):
    write_copy(tmp_path, name)
    written = as_written(name)
    meta = [
        {
            "img_path": path,
            "mask_path": "" if label == 0 else mask or "mask/never_made.bmp",
            "cls_name": "thing",
            "specie_name": "any",
            "anomaly": label,
        }
        for path, label, mask in written
    ]
    (tmp_path / "meta.json").write_text(json.dumps({"train": {}, "test": {"thing": meta}}))
    parser = parse(repository, tmp_path, f"datasets/{name}", "layouts/meta_json")
    items = parser.get_parsed_content("checked_datalist").items
    assert as_found(items, tmp_path) == written
    assert {item["class_name"] for item in items} == {"thing"}


@pytest.mark.parametrize(
    ("name", "expected", "masks"),
    [
        ("brain_mri", {0: 98, 1: 155}, 0),
        ("brain_mri_released_153", {0: 85, 1: 68}, 0),
        ("head_ct", {0: 100, 1: 100}, 0),
        ("kvasir_seg", {1: 1000}, 1000),
        ("magnetic_tile", {0: 396, 1: 388}, 784),
        ("neu_seg", {1: 840}, 840),
    ],
)
def test_a_shared_data_set_is_listed_whole(repository, shared, name, expected, masks):
    root = shared / "data" / name.removesuffix("_released_153")
    if not root.is_dir():
        pytest.skip(f"{root} is not on this machine")
    items = parse(repository, root, f"datasets/{name}").get_parsed_content("datalist")
    assert Counter(item["label"] for item in items) == expected
    assert all(Path(path).is_file() for item in items for path in (item["image"], item["mask"]) if path)
    assert sum(item["mask"] is not None for item in items) == masks
