"""The method as `shared/reference.md` writes it down, slowly: plain loops, in float64, nothing shared or cut short.

One text at a time with all 77 tokens, one image at a time, attention weights materialised, a softmax over every pair of
logits at full size, and every map kept.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from open_clip.tokenizer import SimpleTokenizer
from torch import Tensor

from bpfl_med.networks import BayesPFL, PromptNoise

KINDS = ("context", "normal", "abnormal")
ALIASES = {"pcb1": "printed circuit board", "macaroni2": "macaroni", "pipe_fryum": "pipe fryum"}
TOKENIZER = SimpleTokenizer()


class SlowPrediction(NamedTuple):
    anomaly_map: Tensor
    text_score: Tensor
    uncertainty: Tensor
    score_std: Tensor


def slow_prediction(
    network: BayesPFL, images: Tensor, names: list[str], noise: PromptNoise, *, stage: int, ensemble: str = "image"
) -> SlowPrediction:
    """Score images one by one; the noise's context part is [R, C] or [N, R, C]."""
    slow = SlowNetwork(network, stage, ensemble)
    context = noise.context if noise.context.ndim == 3 else noise.context.expand(len(images), -1, -1)
    rows = [
        slow.score_image(image.double(), name, eps.double(), noise.normal.double(), noise.abnormal.double())
        for image, name, eps in zip(images, names, context, strict=True)
    ]
    return SlowPrediction(*(torch.stack(column) for column in zip(*rows, strict=True)))


class SlowNetwork:
    def __init__(self, network: BayesPFL, stage: int, ensemble: str) -> None:
        self.weights = {name: tensor.detach().double() for name, tensor in network.named_parameters()}
        self.options = network.hyper_parameters
        self.stage = stage
        self.ensemble = ensemble
        self.size = network.backbone.image_size
        self.patch = network.backbone.patch_size
        self.quick = network.backbone.activation == "quick_gelu"

    def score_image(self, image: Tensor, name: str, *noise: Tensor) -> tuple[Tensor, ...]:
        x_cls, levels = self.image_tower(image)
        normal, abnormal = [], []  # text features of the B x R pairs
        for r in range(len(noise[0])):
            phi = [self.sample(kind, x_cls, eps[r]) for kind, eps in zip(KINDS, noise, strict=True)]
            for b in range(self.options["n_prompts"]):
                context = [token + phi[0] for token in self.weights["prompt_bank.context"][b]]
                for side, features, shift in (("normal", normal, phi[1]), ("abnormal", abnormal, phi[2])):
                    states = [token + shift for token in self.weights[f"prompt_bank.{side}_state"][b]]
                    features.append(unit(self.text_tower(name, context + states)))
        if self.ensemble == "text":
            normal, abnormal = [unit(sum(normal) / len(normal))], [unit(sum(abnormal) / len(abnormal))]

        maps, scores = [], []
        side = self.image_side(x_cls, levels)
        for pair in zip(normal, abnormal, strict=True):
            pair_maps = []
            for number, level in enumerate(levels):
                patches = unit(level @ self.weights["cross_attention.patch_projection"][number].T)
                logits = [self.upsample(self.pixel_logits(patches, text)) for text in pair]
                pair_maps.append(torch.softmax(torch.stack(logits), dim=0)[1])
            maps.append(sum(pair_maps) / len(pair_maps))
            scores.append(torch.softmax(torch.stack([self.text_logit(side, text) for text in pair]), dim=0)[1])
        every_map, every_score = torch.stack(maps), torch.stack(scores)
        return (
            every_map.mean(0)[None],
            every_score.mean(),
            every_map.std(0, correction=0)[None],
            every_score.std(correction=0),
        )

    # the prompt distributions

    def sample(self, kind: str, x_cls: Tensor, eps: Tensor) -> Tensor | float:
        conditioning = self.options["context_distribution" if kind == "context" else "state_distribution"]
        if conditioning == "off":
            return 0.0
        flow = f"prompt_flow.{kind}"
        if conditioning == "image_specific":
            xi, n_flows = x_cls, self.options["n_flows"]
            u = self.linear(f"{flow}.u", xi).reshape(n_flows, -1)
            w = self.linear(f"{flow}.w", xi).reshape(n_flows, -1)
            b = self.linear(f"{flow}.b", xi)
        else:
            xi = self.weights[f"{flow}.condition"][0]
            u, w, b = (self.weights[f"{flow}.{symbol}"] for symbol in "uwb")
        base = "prompt_flow.context_base" if kind == "context" else "prompt_flow.state_base"
        variance = torch.exp(0.5 * self.perceptron(f"{base}.twice_log_variance", xi))
        z = self.perceptron(f"{base}.mean", xi) + torch.sqrt(variance) * eps
        for k in range(self.options["n_flows"]):
            z = z + u[k] * torch.tanh(torch.dot(w[k], z) + b[k])
        return z

    def perceptron(self, name: str, x: Tensor) -> Tensor:
        x = torch.log1p(torch.exp(self.linear(f"{name}.0", x)))
        x = torch.log1p(torch.exp(self.linear(f"{name}.2", x)))
        return self.linear(f"{name}.4", x)

    # CLIP

    def image_tower(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        grid = self.size // self.patch
        kernel = self.weights["backbone.clip.visual.conv1.weight"].flatten(1)
        tokens = [self.weights["backbone.clip.visual.class_embedding"]]
        for y in range(grid):
            for x in range(grid):
                square = image[:, y * self.patch : (y + 1) * self.patch, x * self.patch : (x + 1) * self.patch]
                tokens.append(kernel @ square.flatten())
        sequence = torch.stack(tokens) + self.weights["backbone.clip.visual.positional_embedding"]
        sequence = self.layer_norm("backbone.clip.visual.ln_pre", sequence)
        levels = []
        for number in range(1, self.count_blocks("backbone.clip.visual.transformer") + 1):
            sequence = self.block(f"backbone.clip.visual.transformer.resblocks.{number - 1}", sequence, causal=False)
            if number in self.options["feature_blocks"]:
                levels.append(sequence[1:])
        last = self.layer_norm("backbone.clip.visual.ln_post", sequence[0])
        return last @ self.weights["backbone.clip.visual.proj"], levels

    def text_tower(self, name: str, learned: list[Tensor]) -> Tensor:
        """Read `X <name>`, the embedding of X replaced by the learned tokens, padded to 77."""
        tokens = TOKENIZER([f"X {ALIASES.get(name, name).lower()}"])[0]
        embedded = list(self.weights["backbone.clip.token_embedding.weight"][tokens])
        sequence = torch.stack([embedded[0], *learned, *embedded[2:]])[:77]
        sequence = sequence + self.weights["backbone.clip.positional_embedding"]
        for number in range(self.count_blocks("backbone.clip.transformer")):
            sequence = self.block(f"backbone.clip.transformer.resblocks.{number}", sequence, causal=True)
        end = int(tokens.argmax()) - 1 + len(learned)
        last = self.layer_norm("backbone.clip.ln_final", sequence[end])
        return last @ self.weights["backbone.clip.text_projection"]

    def count_blocks(self, tower: str) -> int:
        return sum(name.startswith(f"{tower}.") and name.endswith("ln_1.weight") for name in self.weights)

    def block(self, name: str, x: Tensor, *, causal: bool) -> Tensor:
        normed = self.layer_norm(f"{name}.ln_1", x)
        projected = normed @ self.weights[f"{name}.attn.in_proj_weight"].T + self.weights[f"{name}.attn.in_proj_bias"]
        query, key, value = projected.chunk(3, dim=1)
        heads = []
        for first in range(0, x.shape[1], 64):  # CLIP's heads are 64 wide
            part = slice(first, first + 64)
            weights = query[:, part] @ key[:, part].T / math.sqrt(64)
            if causal:
                weights = weights.masked_fill(torch.ones_like(weights).triu(1) > 0, -math.inf)
            heads.append(torch.softmax(weights, dim=1) @ value[:, part])
        x = x + self.linear(f"{name}.attn.out_proj", torch.cat(heads, dim=1))
        hidden = self.linear(f"{name}.mlp.c_fc", self.layer_norm(f"{name}.ln_2", x))
        if self.quick:
            hidden = hidden * torch.sigmoid(1.702 * hidden)
        else:
            hidden = hidden * 0.5 * (1 + torch.erf(hidden / math.sqrt(2)))
        return x + self.linear(f"{name}.mlp.c_proj", hidden)

    # the map

    def pixel_logits(self, patches: Tensor, text: Tensor) -> Tensor:
        if self.options["residual_attention"]:
            query = self.linear("cross_attention.query", text)
            attended = []
            for key in patches.chunk(4, dim=1):
                part = query[len(attended) * key.shape[1] :][: key.shape[1]]
                attended.append(torch.softmax(key @ part / math.sqrt(len(text)), dim=0) @ key)
            text = unit(torch.cat(attended) + text)
        return torch.exp(self.weights["log_temperature_pixel"]) * patches @ text

    def upsample(self, logits: Tensor) -> Tensor:
        """Bilinear with aligned corners: the first and last pixel lie on the first and last patch."""
        grid = self.size // self.patch
        weights = torch.zeros(self.size, grid, dtype=logits.dtype)
        for pixel in range(self.size):
            place = pixel * (grid - 1) / (self.size - 1)
            left = min(int(place), grid - 2)
            weights[pixel, left] = left + 1 - place
            weights[pixel, left + 1] = place - left
        return weights @ logits.reshape(grid, grid) @ weights.T

    # the score

    def image_side(self, x_cls: Tensor, levels: list[Tensor]) -> Tensor:
        if self.stage == 1:
            return unit(x_cls)
        fused = self.linear("text_score.patch_pooling.fuse", torch.cat(levels, dim=1))
        if self.options["patch_pooling"] == "attention":
            share = torch.softmax(self.linear("text_score.patch_pooling.patch_score", fused), dim=0)
            pooled = sum(w * f for w, f in zip(share, fused, strict=True))
        else:
            pooled = sum(fused) / len(fused)
        parts = {"x_cls": x_cls, "x_patch": self.linear("text_score.patch_pooling.project", pooled)}
        both = sum(parts[part] for part in self.options["image_parts"])
        return unit(self.linear("text_score.image_projection", both))

    def text_logit(self, image_side: Tensor, text: Tensor) -> Tensor:
        text = unit(self.linear("text_score.text_projection", text))
        return torch.exp(self.weights["log_temperature_image"]) * torch.dot(text, image_side)

    # arithmetic

    def linear(self, name: str, x: Tensor) -> Tensor:
        return x @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]

    def layer_norm(self, name: str, x: Tensor) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        scaled = centred / torch.sqrt((centred**2).mean(-1, keepdim=True) + 1e-5)
        return scaled * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]


def unit(x: Tensor) -> Tensor:
    return x / torch.sqrt((x**2).sum(-1, keepdim=True))
