"""Slices are scored in batches and put back in their places; empty ones are not scored; prompts may be shared."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from monai.engines.utils import IterationEvents
from scan_runs import save_nifti, windowed

from bpfl_med.data.scan_volume import ScanVolume, load_scan
from bpfl_med.data.scans import ScanError, find_scans
from bpfl_med.demo.dicom_phantoms import write_series
from bpfl_med.engines import ScanEvaluator
from bpfl_med.inferers import VolumeInferer, VolumePrediction
from bpfl_med.networks import BayesPFL, IntensityNetwork, Prediction
from bpfl_med.networks.clip_normalization import CLIP_MEAN, CLIP_STD
from bpfl_med.transforms import WindowIntensity

N_SLICES, EMPTY = 9, (0, 5)


def infer(volume: ScanVolume, network: BayesPFL | IntensityNetwork, **changes: object) -> VolumePrediction:
    settings = {"plane": "axial", "batch_size": 4, "device": torch.device("cpu"), "shared_prompts": 0, **changes}
    return VolumeInferer(WindowIntensity([(40, 80)]), **settings)(volume, network, class_name="brain")


@pytest.fixture(scope="module")
def volume(tmp_path_factory: pytest.TempPathFactory) -> ScanVolume:
    """Nine slices of 40 x 30, two of them air; rows and columns of the pictures run against the voxel axes."""
    values = np.random.default_rng(0).integers(0, 80, (30, 40, N_SLICES)).astype(np.float32)
    values += np.linspace(-30, 30, N_SLICES)
    values[:, :, EMPTY] = -1000
    path = save_nifti(tmp_path_factory.mktemp("volume") / "a.nii", values)
    return load_scan(*find_scans(path))


@pytest.fixture(scope="module")
def network(backbone) -> BayesPFL:
    return BayesPFL(backbone, feature_blocks=(2, 4), n_samples=2, class_name="brain").eval()


@pytest.fixture(scope="module")
def prediction(volume, network) -> VolumePrediction:
    return infer(volume, network)


def test_every_slice_is_scored_as_the_picture_that_it_is(volume, network, prediction):
    for index in set(range(N_SLICES)) - set(EMPTY):
        picture = windowed(volume.values[::-1, ::-1, index].T, 0, 80)  # a RAS volume: anterior up, left on the right
        image = torch.from_numpy(picture).float().expand(1, 3, -1, -1)
        image = F.interpolate(image, (48, 48), mode="bicubic", antialias=True).clamp(0, 1)
        image = (image - torch.tensor(CLIP_MEAN).view(3, 1, 1)) / torch.tensor(CLIP_STD).view(3, 1, 1)
        alone = network.predict(image, ["brain"])
        for ours, theirs in (
            (prediction.anomaly_map, alone.anomaly_map),
            (prediction.uncertainty, alone.uncertainty),
        ):
            expected = F.interpolate(theirs, (40, 30), mode="bilinear", antialias=True)[0, 0].numpy()
            np.testing.assert_allclose(ours[::-1, ::-1, index].T, expected, atol=1e-5)
        row = prediction.slices[index]
        assert row["index"] == index
        assert row["text_score"] == pytest.approx(float(alone.text_score), abs=1e-5)
        assert row["map_max"] == pytest.approx(float(alone.anomaly_map.max()), abs=1e-5)
        assert row["slice_score"] == (row["text_score"] + row["map_max"]) / 2


def test_empty_slices_are_zero_and_not_ranked(prediction):
    assert [row["index"] for row in prediction.slices if row["empty"]] == list(EMPTY)
    for index in EMPTY:
        assert not prediction.anomaly_map[:, :, index].any()
        assert not prediction.uncertainty[:, :, index].any()
        assert prediction.slices[index]["slice_score"] == 0
    assert set(prediction.ranking) == set(range(N_SLICES)) - set(EMPTY)
    scores = [prediction.slices[index]["slice_score"] for index in prediction.ranking]
    assert scores == sorted(scores, reverse=True)
    assert prediction.volume_score == scores[0]


def test_the_network_never_sees_an_empty_slice(volume):
    class Counting(IntensityNetwork):
        seen = 0

        def predict(self, image, class_names):
            self.seen += len(image)
            return super().predict(image, class_names)

    network = Counting()
    infer(volume, network)
    assert network.seen == N_SLICES - len(EMPTY)


class Stream(io.StringIO):
    """A terminal, or a file."""

    def __init__(self, is_terminal: bool) -> None:
        super().__init__()
        self.is_terminal = is_terminal

    def isatty(self) -> bool:
        return self.is_terminal


def test_progress_is_shown_on_a_terminal_alone_and_leaves_no_line(volume):
    terminal, file = Stream(True), Stream(False)
    infer(volume, IntensityNetwork(), progress=terminal)
    infer(volume, IntensityNetwork(), progress=file)
    assert "batches of slices:   0%" in terminal.getvalue()
    assert "/3 [" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r")
    assert file.getvalue() == ""


@pytest.mark.parametrize("bright", [0, 1])
def test_a_slice_is_empty_only_if_it_is_black_all_over(tmp_path, bright):
    """One voxel is enough: a small lesion must not be lost."""
    values = np.full((40, 50, 1), -1000, np.float32)
    values[:bright, 0] = 1
    volume = load_scan(*find_scans(save_nifti(tmp_path / "a.nii", values)))
    prediction = infer(volume, IntensityNetwork())
    assert prediction.slices[0]["empty"] == (bright == 0)
    np.testing.assert_allclose(prediction.anomaly_map, windowed(values, 0, 80), atol=1e-6)


@pytest.mark.parametrize("batch_size", [1, 7, 100])
def test_the_batch_size_changes_nothing(volume, network, prediction, batch_size):
    other = infer(volume, network, batch_size=batch_size)
    np.testing.assert_allclose(other.anomaly_map, prediction.anomaly_map, atol=1e-5)
    np.testing.assert_allclose(other.uncertainty, prediction.uncertainty, atol=1e-5)
    assert other.ranking == prediction.ranking


@pytest.mark.parametrize("shared_prompts", [1, 4, 100])
def test_shared_prompts_change_what_depends_on_the_image_alone(backbone, volume, network, prediction, shared_prompts):
    shared = infer(volume, network, shared_prompts=shared_prompts)
    assert np.abs(shared.anomaly_map - prediction.anomaly_map).max() > 1e-4
    agnostic = BayesPFL(
        backbone, feature_blocks=(2, 4), n_samples=2, context_distribution="image_agnostic", class_name="brain"
    ).eval()
    alone, shared = infer(volume, agnostic), infer(volume, agnostic, shared_prompts=shared_prompts)
    np.testing.assert_allclose(shared.anomaly_map, alone.anomaly_map, atol=1e-6)
    np.testing.assert_allclose(shared.uncertainty, alone.uncertainty, atol=1e-6)
    assert shared.volume_score == pytest.approx(alone.volume_score, abs=1e-6)


def test_shared_prompts_come_from_the_mean_feature(volume, network):
    """Of a volume whose slices are all the same, they are the prompts of each slice."""
    same = ScanVolume(
        volume.scan, np.repeat(volume.values[:, :, 3:4], 4, axis=2), volume.affine, None, volume.checksum, ()
    )
    np.testing.assert_allclose(
        infer(same, network, shared_prompts=3).anomaly_map, infer(same, network).anomaly_map, atol=1e-5
    )


@pytest.mark.parametrize("shared_prompts", [0, 3])
def test_a_volume_of_air(volume, network, shared_prompts):
    air = ScanVolume(volume.scan, np.full((5, 6, 4), -1000, np.float32), volume.affine, None, volume.checksum, ())
    prediction = infer(air, network, shared_prompts=shared_prompts)
    assert prediction.ranking == []
    assert prediction.volume_score == 0
    assert not prediction.anomaly_map.any()


def test_planes_that_would_not_be_true_are_refused(tmp_path, volume):
    with pytest.raises(ScanError, match="only a DICOM series has an acquired plane"):
        infer(volume, IntensityNetwork(), plane="acquired")
    write_series(tmp_path / "in", kind="uneven")
    uneven = load_scan(*find_scans(tmp_path / "in"))
    assert infer(uneven, IntensityNetwork(), plane="acquired").plane.axis == 2
    with pytest.raises(ScanError, match=r"its slices are unevenly spaced.*use plane acquired"):
        infer(uneven, IntensityNetwork(), plane="sagittal")


@pytest.mark.parametrize("setting", [{"batch_size": 0}, {"shared_prompts": -1}])
def test_impossible_settings_are_refused_before_a_scan_is_read(setting):
    arguments = {"plane": "axial", "batch_size": 1, "device": torch.device("cpu"), **setting}
    with pytest.raises(ValueError, match="{} must be .*, got {}".format(*next(iter(setting.items())))):
        VolumeInferer(WindowIntensity([(40, 80)]), **arguments)


def test_shared_prompts_come_from_all_slices_whatever_the_batch_size(volume, network):
    one, all_at_once = (infer(volume, network, shared_prompts=8, batch_size=n).anomaly_map for n in (1, 8))
    np.testing.assert_allclose(one, all_at_once, atol=1e-5)


def test_a_score_that_is_no_number_is_refused(volume):
    class Broken(IntensityNetwork):
        def predict(self, image: torch.Tensor, class_names: Sequence[str]) -> Prediction:
            return super().predict(image, class_names)._replace(text_score=torch.full((len(image),), torch.nan))

    with pytest.raises(ScanError, match="holds NaN"):
        infer(volume, Broken())


def test_the_evaluator_of_scans_is_one_of_monais(volume, network):
    """It postprocesses, fires MONAI's events, and runs in mixed precision if it is asked to."""
    seen = []

    class Mixed(VolumeInferer):
        def __call__(self, *arguments, **settings):
            seen.append(torch.is_autocast_enabled("cpu"))
            return super().__call__(*arguments, **settings)

    def score(output: dict) -> dict:
        return {**output, "score": output["pred"].volume_score}

    for amp in (False, True):
        evaluator = ScanEvaluator(
            class_name="brain",
            keep_going=False,
            device="cpu",
            val_data_loader=[{"image": volume}],
            network=network,
            inferer=Mixed(WindowIntensity([(40, 80)]), plane="axial", batch_size=4, device=torch.device("cpu")),
            postprocessing=score,
            amp=amp,
        )
        evaluator.add_event_handler(
            IterationEvents.FORWARD_COMPLETED, lambda engine: seen.append(set(engine.state.output))
        )
        evaluator.run()
        assert 0 < evaluator.state.output["score"] < 1
    assert seen == [False, {"image", "pred"}, True, {"image", "pred"}]
