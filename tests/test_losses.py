from __future__ import annotations

import math

import pytest
import torch
from monai.losses import DiceLoss
from torch import Tensor
from torch.distributions import Independent, MultivariateNormal, Normal

from bpfl_med.losses import (
    BayesPFLLoss,
    LossSums,
    LossTerms,
    dice_loss,
    flow_sums,
    focal_loss,
    orthogonal_sum,
    prompt_flow_sums,
)
from bpfl_med.networks import TrainingOutput
from bpfl_med.networks.planar_flow import planar_flow
from bpfl_med.networks.prompt_flow import FlowSamples, PromptSamples


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def mask() -> Tensor:
    mask = torch.zeros(3, 1, 4, 5, dtype=torch.float64)
    mask[0, 0, 1:3, 2:] = 1
    mask[2, 0, 0, 0] = 1
    return mask


@pytest.fixture
def samples() -> FlowSamples:
    """G = 3, R = 2, C = 4, K = 5."""
    mean, variance = draw(3, 4), draw(3, 4, seed=1).exp()
    z_0 = mean[:, None] + variance.sqrt()[:, None] * draw(3, 2, 4, seed=2)
    z_k, log_dets = planar_flow(z_0, draw(3, 5, 4, seed=3), draw(3, 5, 4, seed=4), draw(3, 5, seed=5))
    return FlowSamples(mean, variance, z_0, z_k, log_dets, shared=False)


def first(samples: FlowSamples, n: int = 1, *, start: int = 0, shared: bool = False) -> FlowSamples:
    """Some of the distributions."""
    return FlowSamples(*(value[start : start + n] for value in samples[:5]), shared=shared)


def shared_draw(samples: FlowSamples) -> FlowSamples:
    """One sample of one distribution, drawn for all images."""
    one = first(samples, shared=True)
    return one._replace(z_0=one.z_0[:, :1], z_k=one.z_k[:, :1], log_dets=one.log_dets[:, :1])


def divergence(samples: FlowSamples, n_images: int, *, released: bool = True) -> float:
    plain, shared = flow_sums(samples, n_images, released=released)
    return float(plain / n_images - shared / n_images**2)


def make_output(samples: FlowSamples) -> TrainingOutput:
    """N = 3, B = 2, L = 2."""
    text = torch.nn.functional.normalize(draw(3, 2, 2, 6), dim=-1)
    one = shared_draw(samples)
    return TrainingOutput(draw(3, 2, 2), text, draw(2, 3, 4, 5), PromptSamples(samples, one, one))


def sums_of(logits: Tensor, mask: Tensor, samples: FlowSamples, gamma: float = 2.0) -> LossSums:
    """Sums with given map logits [N, 1, H, W] of one layer."""
    output = make_output(samples)._replace(map_logits=logits[:, 0][None])
    n = len(mask)
    output = output._replace(class_logits=output.class_logits[:n], text=output.text[:n])
    return BayesPFLLoss(gamma=gamma).sums(output, torch.zeros(n), mask, prompt_index=0)


class TestFocal:
    def test_pixel_by_pixel(self, mask: Tensor, samples: FlowSamples) -> None:
        logits = 3 * draw(3, 1, 4, 5)
        losses: dict[float, list[float]] = {0.0: [], 1.0: []}
        for logit, true_class in zip(logits.flatten().tolist(), mask.flatten().tolist(), strict=True):
            normal, abnormal = 1 / (1 + math.exp(logit)), 1 / (1 + math.exp(-logit))
            p = abnormal if true_class else normal
            losses[true_class].append(-((1 - p) ** 2) * math.log(p + 1e-8))
        expected = sum(sum(group) / len(group) for group in losses.values())
        assert float(focal_loss(sums_of(logits, mask, samples))) == pytest.approx(expected, rel=1e-12)

    @pytest.mark.parametrize("dtype", [torch.uint8, torch.bool, torch.int64, torch.float32])
    def test_masks_of_any_type(self, dtype: torch.dtype, mask: Tensor, samples: FlowSamples) -> None:
        logits = draw(3, 1, 4, 5)
        found = sums_of(logits, mask.to(dtype), samples)
        assert float(focal_loss(found)) == pytest.approx(float(focal_loss(sums_of(logits, mask, samples))))

    def test_without_normal_pixels_there_is_only_the_abnormal_part(self, samples: FlowSamples) -> None:
        logits = draw(1, 1, 2, 2)
        p = torch.sigmoid(logits)
        expected = (-((1 - p) ** 2) * torch.log(p + 1e-8)).mean()
        found = focal_loss(sums_of(logits, torch.ones_like(logits), samples))
        assert float(found) == pytest.approx(float(expected))

    def test_without_abnormal_pixels_there_is_only_the_normal_part(self, samples: FlowSamples) -> None:
        logits = draw(1, 1, 2, 2)
        p = torch.sigmoid(-logits)
        expected = (-((1 - p) ** 2) * torch.log(p + 1e-8)).mean()
        found = focal_loss(sums_of(logits, torch.zeros_like(logits), samples))
        assert float(found) == pytest.approx(float(expected))

    def test_gamma_zero_is_cross_entropy(self, mask: Tensor, samples: FlowSamples) -> None:
        logits = draw(3, 1, 4, 5)
        bce = torch.nn.functional.binary_cross_entropy_with_logits(logits, mask, reduction="none")
        expected = bce[mask == 1].mean() + bce[mask == 0].mean()
        found = focal_loss(sums_of(logits, mask, samples, gamma=0))
        assert float(found) == pytest.approx(float(expected), rel=1e-6)


def test_dice_is_that_of_monai_over_the_batch(mask: Tensor, samples: FlowSamples) -> None:
    logits = draw(3, 1, 4, 5)
    expected = DiceLoss(batch=True, smooth_nr=1e-5, smooth_dr=1e-5)(torch.sigmoid(logits), mask)
    assert float(dice_loss(sums_of(logits, mask, samples))) == pytest.approx(float(expected), rel=1e-12)


def test_orthogonal_loss_entry_by_entry() -> None:
    text = torch.nn.functional.normalize(draw(3, 2, 4, 6), dim=-1)
    expected = 0.0
    for side in range(2):
        cosines = [
            0.0 if i == j else float(text[n, side, i] @ text[n, side, j]) ** 2
            for n in range(3)
            for i in range(4)
            for j in range(4)
        ]
        expected += sum(cosines) / len(cosines)
    assert float(orthogonal_sum(text)) / 3 == pytest.approx(expected, rel=1e-12)


def test_orthogonal_loss_of_orthogonal_prompts_is_zero() -> None:
    assert float(orthogonal_sum(torch.eye(4).expand(2, 2, 4, 4))) == 0


class TestDivergence:
    def test_against_torch_distributions(self, samples: FlowSamples) -> None:
        """Constants included: those of the two densities cancel."""
        prior = MultivariateNormal(torch.zeros(4, dtype=torch.float64), torch.eye(4, dtype=torch.float64))
        terms = []
        for g in range(3):
            base = Independent(Normal(samples.mean[g], samples.variance[g].sqrt()), 1)
            for r in range(2):
                log_q = base.log_prob(samples.z_0[g, r]) - samples.log_dets[g, r].sum()
                terms.append(float(log_q - prior.log_prob(samples.z_k[g, r])))
        assert divergence(samples, 3) == pytest.approx(sum(terms) / len(terms), rel=1e-10)

    @pytest.mark.parametrize("released", [True, False])
    def test_a_shared_draw_counts_once(self, released: bool, samples: FlowSamples) -> None:
        """The released program divides its log-determinant by the number of images all the same."""
        one = shared_draw(samples)
        without = divergence(one._replace(log_dets=torch.zeros_like(one.log_dets)), 7)
        expected = without - float(one.log_dets.sum()) / (7 if released else 1)
        assert divergence(one, 7, released=released) == pytest.approx(expected)

    def test_forms_agree_for_an_image_specific_distribution(self, samples: FlowSamples) -> None:
        assert divergence(samples, 3) == divergence(samples, 3, released=False)

    def test_one_base_with_noise_of_every_image(self, samples: FlowSamples) -> None:
        """An image-agnostic distribution sampled once per image: the mean over the images, as one by one."""
        one_base = samples._replace(mean=samples.mean[:1], variance=samples.variance[:1])
        single = [
            divergence(first(samples, start=g)._replace(mean=samples.mean[:1], variance=samples.variance[:1]), 1)
            for g in range(3)
        ]
        assert divergence(one_base, 3) == pytest.approx(sum(single) / 3)

    def test_distributions_that_are_off_have_none(self, samples: FlowSamples) -> None:
        both, _ = prompt_flow_sums(PromptSamples(samples, None, samples), 3, released=True)
        assert float(both) == pytest.approx(2 * 3 * divergence(samples, 3))
        off = prompt_flow_sums(PromptSamples(None, None, None), 3, released=True)
        assert [float(part) for part in off] == [0, 0]

    def test_distributions_that_are_off_follow_the_device_all_the_same(self) -> None:
        """On the meta device, which can be had everywhere."""
        shapes = {"class_logits": (3, 2, 2), "text": (3, 2, 2, 8), "map_logits": (2, 3, 4, 5)}
        tensors = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
        output = TrainingOutput(**tensors, samples=PromptSamples(None, None, None))
        label, mask = torch.empty(3, device="meta"), torch.empty(3, 1, 4, 5, device="meta")
        sums = BayesPFLLoss().sums(output, label, mask, prompt_index=0)
        assert {value.device.type for value in sums} == {"meta"}


class TestAllTerms:
    @pytest.fixture
    def output(self, samples: FlowSamples) -> TrainingOutput:
        return make_output(samples)

    def compute(self, output: TrainingOutput, mask: Tensor, index: int = 1, **options: object) -> LossTerms:
        return BayesPFLLoss(**options)(output, torch.tensor([1, 0, 1]), mask, prompt_index=index)

    def test_sum_over_layers_and_parts(self, output: TrainingOutput, mask: Tensor, samples: FlowSamples) -> None:
        terms = self.compute(output, mask)
        layers = [sums_of(logits[:, None], mask, samples) for logits in output.map_logits]
        expected = sum(focal_loss(layer) + dice_loss(layer) for layer in layers)
        assert float(terms.segmentation) == pytest.approx(float(expected))
        parts = [divergence(part, 3) for part in output.samples]
        assert float(terms.prompt_flow) == pytest.approx(0.01 * sum(parts))
        assert float(terms.orthogonal) == pytest.approx(float(orthogonal_sum(output.text)) / 3)
        assert float(terms.total) == pytest.approx(float(sum(terms)))

    @pytest.mark.parametrize("released", [True, False])
    def test_parts_of_a_batch_add_up_to_it(self, released: bool, output: TrainingOutput, mask: Tensor) -> None:
        loss = BayesPFLLoss(released_kl=released)
        label = torch.tensor([1, 0, 1])
        parts = []
        for part in (slice(0, 1), slice(1, 3)):
            n = part.stop - part.start
            of_context = first(output.samples.context, n, start=part.start)
            own = TrainingOutput(
                output.class_logits[part],
                output.text[part],
                output.map_logits[:, part],
                output.samples._replace(context=of_context),
            )
            parts.append(loss.sums(own, label[part], mask[part], prompt_index=1).flat())
        found = loss.terms(LossSums.from_flat(torch.stack(parts).sum(0)))
        expected = loss(output, label, mask, prompt_index=1)
        assert [float(term) for term in found] == pytest.approx([float(term) for term in expected], rel=1e-12)

    @pytest.mark.parametrize("index", [0, 1])
    def test_classification_is_the_pair_of_the_chosen_prompts(
        self, index: int, output: TrainingOutput, mask: Tensor
    ) -> None:
        probability = output.class_logits[:, :, index].softmax(1)
        expected = -sum(math.log(probability[n, label]) for n, label in enumerate((1, 0, 1))) / 3
        assert float(self.compute(output, mask, index).classification) == pytest.approx(expected)

    def test_uint8_masks_and_float_labels(self, output: TrainingOutput, mask: Tensor) -> None:
        labels = torch.tensor([1.0, 0.0, 1.0])
        found = BayesPFLLoss()(output, labels, mask.to(torch.uint8), prompt_index=1)
        assert [float(term) for term in found] == pytest.approx([float(term) for term in self.compute(output, mask)])

    def test_settings(self, output: TrainingOutput, mask: Tensor) -> None:
        default = self.compute(output, mask)
        assert float(self.compute(output, mask, orthogonal=False).orthogonal) == 0
        heavier = self.compute(output, mask, kl_weight=0.1).prompt_flow
        assert float(heavier) == pytest.approx(10 * float(default.prompt_flow))
        textbook = self.compute(output, mask, released_kl=False).prompt_flow
        expected = 0.01 * sum(divergence(part, 3, released=False) for part in output.samples)
        assert float(textbook) == pytest.approx(expected)
        assert float(textbook) != pytest.approx(float(default.prompt_flow))


def test_a_report_tells_all_settings_of_the_loss() -> None:
    changed = {"kl_weight": 0.5, "released_kl": False, "orthogonal": False, "gamma": 1.0}
    assert BayesPFLLoss(**changed).settings == changed


def test_sums_over_pixels_are_not_made_in_bfloat16() -> None:
    logits, mask = draw(2, 2, 64, 64).bfloat16(), (draw(2, 1, 64, 64, seed=1) > 1).float()
    nothing = PromptSamples(None, None, None)
    output = TrainingOutput(draw(2, 2, 3).float(), draw(2, 2, 3, 8).float(), logits, nothing)
    label = torch.tensor([0, 1])
    coarse, exact = (
        BayesPFLLoss().sums(made, label, mask, prompt_index=0).flat()
        for made in (output, output._replace(map_logits=logits.float()))
    )
    torch.testing.assert_close(coarse, exact, rtol=1e-6, atol=0)
