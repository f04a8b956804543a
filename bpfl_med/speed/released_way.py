"""The released program's way of computing, as a plain reference for the speed of ours.

Written after a description of what that program does, not after its text: one image at a time; 77 tokens a prompt; one
pass of the text tower for each Monte Carlo sample; attention with its weights materialised, averaged over the heads and
never used; the last norm and projection applied to every tapped level and thrown away; the map of every pair at every
level upsampled, and all of them averaged on the host. The weights, and the arithmetic of the prompt distributions (a
thousandth of the whole), are those of the network.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from open_clip import tokenize
from open_clip.transformer import ResidualAttentionBlock

from bpfl_med.networks import BayesPFL, ImageFeatures, Prediction, PromptNoise
from bpfl_med.networks.class_names import CLASS_NAME_ALIASES
from bpfl_med.speed.stages import Stage


@torch.no_grad()
def released_way(network: BayesPFL, image: torch.Tensor, class_name: str, stage: Stage) -> Prediction:
    """Compute a prediction of one image [1, 3, H, W] as the released program does; the network has its defaults."""
    with stage("host transfer"):
        image = image.to(network.log_temperature_pixel.device)
    with stage("image tower"):
        features = image_tower(network, image)
    with stage("text"):
        text = text_features(network, features.global_feature, class_name, samples_at_once=1)
    with stage("RCA and map"):
        maps = level_maps(network, features, text)
    with stage("host transfer"):
        on_host = [level.cpu().numpy() for level in maps]
    with stage("RCA and map"):
        every_map = np.stack(on_host)  # [L, M, H, W]
        anomaly_map = torch.from_numpy(every_map.mean((0, 1)))
    with stage("score"):
        probability = _pair_probabilities(network, features, text)
        score = probability.mean(1)
    with stage("host transfer"):
        score = score.cpu()
    # The released program gives no spread: these two are for the comparison of the results and belong to no stage.
    uncertainty, score_std = torch.from_numpy(every_map.mean(0).std(0)), probability.std(1, correction=0).cpu()
    return Prediction(anomaly_map[None, None], score, uncertainty[None, None], score_std)


def image_tower(network: BayesPFL, image: torch.Tensor) -> ImageFeatures:
    """Compute the features of an image [1, 3, H, W]."""
    visual = network.backbone.clip.visual
    patches = visual.conv1(image).flatten(2).transpose(1, 2)
    tokens = torch.cat([visual.class_embedding.expand(len(image), 1, -1), patches], dim=1)
    tokens = visual.ln_pre(tokens + visual.positional_embedding).transpose(0, 1)  # the sequence first
    tapped = []
    for number, block in enumerate(visual.transformer.resblocks, start=1):
        tokens = _block(block, tokens, None)
        if number in network.hyper_parameters["feature_blocks"]:
            level = tokens.transpose(0, 1)
            visual.ln_post(level) @ visual.proj
            tapped.append(level[:, 1:])
    return ImageFeatures(visual.ln_post(tokens[0]) @ visual.proj, torch.stack(tapped))


def text_features(
    network: BayesPFL, global_feature: torch.Tensor, class_name: str, *, samples_at_once: int
) -> torch.Tensor:
    """Compute normalised text features [2, M, C], M = R x B, for an image's x_cls [1, C].

    Args:
        network: whose prompts they are.
        global_feature: x_cls.
        class_name: what the image shows.
        samples_at_once: Monte Carlo samples in one pass of the text tower; one in the released program.
    """
    texts = []
    for noise in zip(*(part.split(samples_at_once) for part in network.noise), strict=True):
        context, states = network.prompt_bank(network.prompt_flow(global_feature, PromptNoise(*noise)))
        learned = torch.cat([context[0, :, :, None].expand(-1, -1, 2, -1, -1), states[0]], dim=3)  # [R, B, 2, P + Q, C]
        text = _text_tower(network, class_name, learned.movedim(2, 0).flatten(0, 2))
        texts.append(text.unflatten(0, (2, -1)))
    return F.normalize(torch.cat(texts, dim=1), dim=-1)


def _text_tower(network: BayesPFL, class_name: str, learned: torch.Tensor) -> torch.Tensor:
    """Read `X <name>`, the embedding of X replaced by learned tokens [T, P + Q, C]."""
    clip = network.backbone.clip
    ids = tokenize([f"X {CLASS_NAME_ALIASES.get(class_name, class_name).lower()}"]).to(learned.device)
    embedded = clip.token_embedding(ids).expand(len(learned), -1, -1)
    n_learned, length = learned.shape[1], network.backbone.text_length
    tokens = torch.cat([embedded[:, :1], learned, embedded[:, 2:]], dim=1)[:, :length]
    tokens = (tokens + clip.positional_embedding).transpose(0, 1)
    mask = torch.full((length, length), -torch.inf, device=tokens.device).triu(1)
    for block in clip.transformer.resblocks:
        tokens = _block(block, tokens, mask)
    end = int(ids.argmax()) + n_learned - 1
    return clip.ln_final(tokens.transpose(0, 1))[:, end] @ clip.text_projection


def _block(block: ResidualAttentionBlock, tokens: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """Apply one block to [T, N, width] with PyTorch's attention that gives its weights."""
    attention, normed = block.attn, block.ln_1(tokens)
    attended, _ = F.multi_head_attention_forward(
        normed, normed, normed, attention.embed_dim, attention.num_heads, attention.in_proj_weight,
        attention.in_proj_bias, None, None, False, 0.0, attention.out_proj.weight, attention.out_proj.bias,
        training=False, need_weights=True, attn_mask=mask,
    )  # fmt: skip
    tokens = tokens + attended
    return tokens + block.mlp(block.ln_2(tokens))


def level_maps(network: BayesPFL, features: ImageFeatures, text: torch.Tensor) -> list[torch.Tensor]:
    """Compute the map [M, H, W] of every pair of texts [2, M, C] at every level."""
    return [_level_map(network, level, tokens, text) for level, tokens in enumerate(features.patch_tokens)]


def _level_map(network: BayesPFL, level: int, patch_tokens: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
    """Give the map [M, H, W] of every pair of texts [2, M, C] at one tapped level, from patch tokens [1, S, V]."""
    attention, size = network.cross_attention, network.backbone.image_size
    patches = F.normalize(patch_tokens @ attention.patch_projection[level].T, dim=-1)
    flat = text.flatten(0, 1)[None]  # [1, 2M, C]
    assert attention.query is not None  # its default
    query, keys = (
        tokens.unflatten(2, (attention.n_heads, -1)).transpose(1, 2) for tokens in (attention.query(flat), patches)
    )
    weights = (query @ keys.transpose(-1, -2) * flat.shape[-1] ** -0.5).softmax(-1)
    refined = F.normalize(flat + (weights @ keys).transpose(1, 2).flatten(2), dim=-1)
    logits = network.log_temperature_pixel.exp() * patches @ refined.transpose(-1, -2)  # [1, S, 2M]
    grid = logits.transpose(1, 2).unflatten(2, (network.backbone.grid_size, -1))
    normal, abnormal = F.interpolate(grid, size=(size, size), mode="bilinear", align_corners=True)[0].chunk(2)
    return torch.stack([normal, abnormal], dim=1).softmax(1)[:, 1]


def _pair_probabilities(network: BayesPFL, features: ImageFeatures, text: torch.Tensor) -> torch.Tensor:
    """Give the probability of "abnormal" [1, M] that the text branch sees in the whole image."""
    logits = network.text_score(features, text.flatten(0, 1)[None], network.log_temperature_image, stage=network.stage)
    return logits.unflatten(1, (2, -1)).softmax(1)[:, 1]
