"""The prompt ensemble equals CLIP's own functions, put together by the formulas of its docstring."""

from __future__ import annotations

import copy

import open_clip
import pytest
import torch
import torch.nn.functional as F

from bpfl_med.networks import CLIPBackbone, PromptEnsemble
from bpfl_med.networks.compute_settings import ComputeSettings

PAIRS = [("healthy {}", "diseased {}"), ("{} without a flaw", "{} with a flaw"), ("{}", "broken {}")]
TEMPLATES = ["a photo of the {}.", "{}"]


@pytest.fixture
def network(small_clip) -> PromptEnsemble:
    backbone = CLIPBackbone(copy.deepcopy(small_clip), image_size=48, name="tiny", pretrained=False)
    return PromptEnsemble(backbone, state_pairs=PAIRS, templates=TEMPLATES).eval()


def text_of(clip: open_clip.CLIP, name: str, side: int) -> torch.Tensor:
    """Normalised features of all prompts of one side, by open_clip's tokeniser and text tower."""
    prompts = [template.format(pair[side].format(name)) for pair in PAIRS for template in TEMPLATES]
    return clip.encode_text(open_clip.SimpleTokenizer()(prompts), normalize=True)


@torch.no_grad()
def test_scores_are_clips_own(network, images):
    image = images(2, 48)
    found = network.predict(image, ["brain", "head ct"])
    clip = network.backbone.clip
    for place, name in enumerate(("brain", "head ct")):
        feature = clip.encode_image(image[place : place + 1], normalize=True)[0]
        normal, abnormal = (text_of(clip, name, side) for side in (0, 1))
        means = torch.stack([F.normalize(text.mean(0), dim=-1) for text in (normal, abnormal)])
        expected = (clip.logit_scale.exp() * means @ feature).softmax(0)[1]
        torch.testing.assert_close(found.text_score[place], expected, atol=1e-5, rtol=0)
        pairs = (clip.logit_scale.exp() * torch.stack([normal, abnormal]) @ feature).softmax(0)[1]
        torch.testing.assert_close(found.score_std[place], pairs.std(correction=0), atol=1e-5, rtol=0)
    assert found.score_std.min() > 1e-3


@torch.no_grad()
def test_maps_are_of_projected_patches(network, images):
    image = images(1, 48)
    found = network.predict(image, ["brain"])
    clip = network.backbone.clip
    visual = copy.deepcopy(clip.visual)
    visual.output_tokens = True
    visual.proj, projection = None, visual.proj
    _, tokens = visual(image)  # patches after the last norm, as open_clip gives them
    patches = F.normalize(tokens[0] @ projection, dim=-1)
    normal, abnormal = (text_of(clip, "brain", side) for side in (0, 1))

    def upsampled(difference: torch.Tensor) -> torch.Tensor:
        logits = (clip.logit_scale.exp() * difference @ patches.T).unflatten(-1, (1, 6, 6))
        return F.interpolate(logits, (48, 48), mode="bilinear", align_corners=True).sigmoid()

    mean = F.normalize(abnormal.mean(0), dim=-1) - F.normalize(normal.mean(0), dim=-1)
    torch.testing.assert_close(found.anomaly_map, upsampled(mean[None]), atol=1e-5, rtol=0)
    spread = upsampled(abnormal - normal).std(0, correction=0, keepdim=True)
    torch.testing.assert_close(found.uncertainty, spread, atol=1e-5, rtol=0)
    assert network(image, ["brain"]).equal(found.anomaly_map)


def test_the_batch_does_not_matter(network, images):
    image = images(3, 48)
    together = network.predict(image, ["brain", "head ct", "brain"])
    alone = network.predict(image[1:2], ["head ct"])
    for whole, single in zip(together, alone, strict=True):
        torch.testing.assert_close(whole[1:2], single, atol=1e-5, rtol=0)


def test_names_are_said_in_other_words_as_in_the_network_of_the_paper(network, images):
    image = images(1, 48)
    assert network(image, ["pcb1"]).equal(network(image, ["printed circuit board"]))


def test_the_report_tells_prompts_and_backbone(network):
    record = network.provenance
    assert record["backbone"]["name"] == "tiny"
    assert record["state_pairs"] == [list(pair) for pair in PAIRS]
    assert record["notice"] == network.notice
    assert record["computed_by"] == network.backbone.computed_by
    assert network.notice.startswith("UNTRAINED CLIP backbone: the weights are random")
    other = PromptEnsemble(network.backbone, state_pairs=PAIRS[:2], templates=TEMPLATES)
    assert other.checksum != network.checksum
    other = PromptEnsemble(network.backbone, state_pairs=PAIRS, templates=TEMPLATES[:1])
    assert other.checksum != network.checksum


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"templates": []}, "needs a template and a pair of states, one normal and one abnormal"),
        ({"state_pairs": [("healthy {}",)]}, "needs a template and a pair of states"),
        ({"templates": ["a photo"]}, r"must hold \{\} once, for what is put in, got 'a photo'"),
    ],
)
def test_prompts_that_cannot_work_are_refused(network, changes, message):
    with pytest.raises(ValueError, match=message):
        PromptEnsemble(network.backbone, **{"state_pairs": PAIRS, "templates": TEMPLATES, **changes})


def test_mixed_precision_stops_at_the_image_tower(network, images):
    fresh = PromptEnsemble(network.backbone, state_pairs=PAIRS, templates=TEMPLATES)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = fresh.predict(images(1, 48), ["brain"])
    assert {part.dtype for part in mixed} == {torch.float32}
    plain, expected = (each.predict(images(1, 48), ["brain"]) for each in (fresh, network))
    for ours, theirs in zip(plain, expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=0, rtol=0)


def test_it_says_how_its_backbone_computes(network):
    backbone = copy.deepcopy(network.backbone)
    settings = ComputeSettings("bfloat16", linear_kernel="convolution", attention_kernel="fused")
    other = PromptEnsemble(backbone, state_pairs=PAIRS, templates=TEMPLATES, compute_settings=settings)
    assert backbone.compute_settings == settings
    assert other.provenance["precision"] == "bfloat16"
    PromptEnsemble(backbone, state_pairs=PAIRS, templates=TEMPLATES)
    assert backbone.compute_settings == settings


def test_names_are_checked(network, images):
    with pytest.raises(ValueError, match="A class name must say what the image shows, such as 'brain', got ' '"):
        network.check_class_names(["brain", " "])
    with pytest.raises(ValueError, match=r"needs \d+ text tokens, and there is room for 76; use a shorter name"):
        network.check_class_names(["left temporal lobe " * 40])
    with pytest.raises(ValueError, match="There must be one class name per image, got 1 for 2 images"):
        network.predict(images(2, 48), ["brain"])
