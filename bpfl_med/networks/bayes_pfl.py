"""Bayes-PFL: the parts of the paper joined to one network."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from bpfl_med.networks.anomaly_map import CHUNK_BYTES, anomaly_map_moments, pair_logits
from bpfl_med.networks.checkpoint_record import (
    ignore_missing_backbone,
    leave_out_backbone,
    read_record,
    refuse_other_record,
    write_record,
)
from bpfl_med.networks.class_names import start_token_id, tokenize_class_names
from bpfl_med.networks.clip_backbone import CLIPBackbone, ImageFeatures
from bpfl_med.networks.compute_settings import ComputeSettings
from bpfl_med.networks.mixed_precision import without_autocast
from bpfl_med.networks.patch_pooling import PatchPooling
from bpfl_med.networks.prompt_bank import PromptBank
from bpfl_med.networks.prompt_flow import Conditioning, PromptFlow, PromptSamples
from bpfl_med.networks.prompt_noise import PromptNoise
from bpfl_med.networks.residual_cross_attention import ResidualCrossAttention
from bpfl_med.networks.scoring_network import ANY_OBJECT, Prediction, ScoringNetwork, check_one_name_per_image
from bpfl_med.networks.text_score import ImagePart, TextScore
from bpfl_med.networks.weights_checksum import weights_checksum
from bpfl_med.networks.weights_notice import weights_notice


class TrainingOutput(NamedTuple):
    """What the losses need; an axis of length 2 is the normal, then the abnormal bank.

    Attributes:
        class_logits: text-branch logits [N, 2, B].
        text: normalised text features [N, 2, B, C].
        map_logits: abnormal-against-normal logits of every layer at image size [L, N, H, W], of one bank entry.
        samples: of the three prompt distributions, in float64.
    """

    class_logits: torch.Tensor
    text: torch.Tensor
    map_logits: torch.Tensor
    samples: PromptSamples


class BayesPFL(ScoringNetwork):
    """Bayesian prompt flow learning on a frozen CLIP (Qu et al., CVPR 2025).

    The network is deterministic: its Monte Carlo noise is drawn once from a seed and is the same for every image, so a
    result depends on no batch, worker or rank. Frozen CLIP weights are not part of the state dict; a record of the
    backbone and the hyper-parameters is, and loading a state dict that was made with others is refused.

    Args:
        backbone: the frozen CLIP.
        feature_blocks: 1-based numbers of the tapped image-tower blocks, ascending.
        n_prompts: B, prompts in each of the two banks.
        context_length: P, context tokens in a prompt.
        state_length: Q, state tokens in a prompt.
        n_flows: K, planar maps in each flow.
        n_samples: R, Monte Carlo samples in evaluation.
        hidden_width: of the perceptrons and the patch pooling; V / 2 if None.
        context_distribution: "image_specific" (the paper), "image_agnostic" or "off".
        state_distribution: "image_agnostic" (the paper), "image_specific" or "off".
        residual_attention: whether text features attend to the patches (RCA).
        patch_pooling: "attention" (the released program) or "average" (the paper).
        image_parts: what the text branch compares the text with in stage 2, of "x_cls" and "x_patch".
        ensemble: "image" averages the maps of all prompt pairs, "text" averages their text features first.
        stage: 2 for the final model; 1 leaves the image projections out of the text score.
        class_name: what images show when :meth:`forward` is not told.
        seed: of the initial weights and of the Monte Carlo noise.
        chunk_bytes: how much memory upsampled maps may take at a time.
        compute_settings: how the backbone computes from now on; as it did if None.

    Attributes:
        trained: whether the prompts were trained; reports say so where they were not.
        threshold: value of the anomaly map from which on a pixel is called abnormal, if the training chose one. Both
            travel in the state dict.

    Raises:
        ValueError: if a value is impossible, such as a block that the backbone does not have.

    Example:
        >>> network = BayesPFL(backbone, feature_blocks=(6, 12, 18, 24))  # doctest: +SKIP
        >>> network.predict(image, ["brain"]).anomaly_map.shape  # doctest: +SKIP
        torch.Size([1, 1, 518, 518])
    """

    def __init__(
        self,
        backbone: CLIPBackbone,
        *,
        feature_blocks: Sequence[int],
        n_prompts: int = 3,
        context_length: int = 5,
        state_length: int = 5,
        n_flows: int = 10,
        n_samples: int = 10,
        hidden_width: int | None = None,
        context_distribution: Conditioning = "image_specific",
        state_distribution: Conditioning = "image_agnostic",
        residual_attention: bool = True,
        patch_pooling: Literal["attention", "average"] = "attention",
        image_parts: Collection[ImagePart] = ("x_cls", "x_patch"),
        ensemble: Literal["image", "text"] = "image",
        stage: Literal[1, 2] = 2,
        class_name: str = ANY_OBJECT,
        seed: int = 333,
        chunk_bytes: int = CHUNK_BYTES,
        compute_settings: ComputeSettings | None = None,
    ) -> None:
        super().__init__(class_name)
        hidden_width = backbone.vision_width // 2 if hidden_width is None else hidden_width
        self.hyper_parameters: dict[str, Any] = {
            "feature_blocks": _checked_blocks(feature_blocks, backbone),
            "n_prompts": n_prompts,
            "context_length": context_length,
            "state_length": state_length,
            "n_flows": n_flows,
            "hidden_width": hidden_width,
            "context_distribution": context_distribution,
            "state_distribution": state_distribution,
            "residual_attention": residual_attention,
            "patch_pooling": patch_pooling,
            "image_parts": sorted(image_parts),
        }
        _check_choice("ensemble", ensemble, ("image", "text"))
        _check_choice("stage", stage, (1, 2))
        for name in ("n_prompts", "context_length", "state_length", "n_flows", "hidden_width"):
            _check_positive(name, self.hyper_parameters[name])
        self.ensemble = ensemble
        self.stage = stage
        self.chunk_bytes = chunk_bytes
        self.trained = False
        self.backbone = backbone
        if compute_settings is not None:
            backbone.compute_with(compute_settings)
        width, vision_width, n_layers = backbone.embed_dim, backbone.vision_width, len(feature_blocks)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)  # torch.manual_seed would also seed every accelerator
            self.prompt_bank = PromptBank(n_prompts, context_length, state_length, width)
            self.prompt_flow = PromptFlow(
                width, hidden_width, n_flows, context=context_distribution, state=state_distribution
            )
            self.cross_attention = ResidualCrossAttention(n_layers, vision_width, width, attend=residual_attention)
            pooling = PatchPooling(n_layers, vision_width, hidden_width, width, pooling=patch_pooling)
            self.text_score = TextScore(width, pooling, image_parts=image_parts)
            self.log_temperature_pixel = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
            self.log_temperature_image = nn.Parameter(torch.tensor(math.log(1 / 0.07)))
            _initialise_linear_layers(self.prompt_flow, self.text_score)
        self.set_sampling(n_samples, seed=seed)
        self.register_state_dict_post_hook(leave_out_backbone)
        self.register_load_state_dict_pre_hook(_refuse_before_loading)
        self.register_load_state_dict_post_hook(ignore_missing_backbone)

    def set_sampling(self, n_samples: int, *, seed: int) -> None:
        """Draw the Monte Carlo noise anew: R samples from a seed."""
        _check_positive("n_samples", n_samples)
        self.seed = seed
        noise = PromptNoise.draw(n_samples, self.backbone.embed_dim, seed=seed)
        for name, value in noise._asdict().items():
            self.register_buffer(f"{name}_noise", value.to(self.log_temperature_pixel), persistent=False)

    @property
    def image_size(self) -> int:
        """Height and width of the input, in pixels."""
        return self.backbone.image_size

    @property
    def n_samples(self) -> int:
        """R, Monte Carlo samples in evaluation."""
        return len(self.noise.normal)

    @property
    def noise(self) -> PromptNoise:
        """The noise that evaluation uses when it is given none."""
        return PromptNoise(*(self.get_buffer(f"{name}_noise") for name in PromptNoise._fields))

    @property
    def provenance(self) -> dict[str, Any]:
        """What a report must say of the network: backbone, hyper-parameters, stage, sampling."""
        return {
            "name": "Bayes-PFL",
            "checksum": self.checksum,
            "backbone": self.backbone.record,
            "hyper_parameters": self.hyper_parameters,
            "ensemble": self.ensemble,
            "stage": self.stage,
            "n_samples": self.n_samples,
            "seed": self.seed,
            "precision": self.backbone.compute_settings.precision,
            "computed_by": self.backbone.computed_by,
            "caution": self.caution,
            "notice": self.notice,
        }

    @property
    def checksum(self) -> str:
        """SHA-256 of the trained weights and their record, which names the backbone's own: what makes a result."""
        return weights_checksum(self.state_dict())

    @property
    def _name_length(self) -> int:
        """Tokens that a prompt leaves for the class name and the end-of-text token."""
        own = 1 + self.hyper_parameters["context_length"] + self.hyper_parameters["state_length"]
        return self.backbone.text_length - own

    @property
    def notice(self) -> str | None:
        """A sentence for every place where numbers appear, or None; see :func:`weights_notice`."""
        is_trained = {"CLIP backbone": self.backbone.pretrained, "prompts": self.trained}
        return weights_notice(is_trained, self.backbone.notice)

    @torch.no_grad()
    def predict(
        self, image: torch.Tensor, class_names: Sequence[str], *, noise: PromptNoise | None = None
    ) -> Prediction:
        """Score images: anomaly map, text score, and the spread of both over the sampled prompts.

        Args:
            image: [N, 3, H, W], CLIP-normalised RGB, with the backbone's image size.
            class_names: what each image shows, such as "brain".
            noise: Monte Carlo noise; the network's own, drawn from its seed, if None.

        Raises:
            ValueError: if image or noise have another shape, or the names are not one per image, empty or too long.
        """
        self._check_call(len(image), class_names, noise)  # before the tower's work
        return self.predict_features(self.encode_image(image), class_names, noise=noise)

    @torch.no_grad()
    def predict_features(
        self, features: ImageFeatures, class_names: Sequence[str], *, noise: PromptNoise | None = None
    ) -> Prediction:
        """Score images of which :meth:`encode_image` has given the features; otherwise as :meth:`predict`."""
        self._check_call(len(features.global_feature), class_names, noise)
        text, _ = self.encode_text(features.global_feature, class_names, noise or self.noise)
        return self.decode(features, text)

    def _check_call(self, n_images: int, class_names: Sequence[str], noise: PromptNoise | None) -> None:
        check_one_name_per_image(n_images, class_names)
        _check_noise(noise or self.noise, n_images, self.backbone.embed_dim)

    def check_class_names(self, class_names: Sequence[str]) -> None:
        """Raise a ValueError now if a name is empty or too long for the text encoder, before images are scored."""
        tokenize_class_names(class_names, self._name_length)

    def encode_image(self, image: torch.Tensor) -> ImageFeatures:
        """Run the frozen image tower on [N, 3, H, W] and keep what the tapped blocks give."""
        with torch.no_grad():
            return self.backbone.encode_image(image, self.hyper_parameters["feature_blocks"])

    def encode_text(
        self, global_feature: torch.Tensor, class_names: Sequence[str], noise: PromptNoise
    ) -> tuple[torch.Tensor, PromptSamples]:
        """Sample prompts for G images and encode them.

        Args:
            global_feature: x_cls [G, C] that the image-specific distribution depends on. All three distributions are
                sampled in its dtype or that of the weights, whichever is wider.
            class_names: G names.
            noise: Monte Carlo noise; its context part is [R, C] or [G, R, C].

        Returns:
            Normalised text features [G, 2, R, B, C] (normal, abnormal), and the samples that they were made with.
        """
        # Planar maps amplify rounding, and cost next to nothing, so mixed precision stops short of them.
        with without_autocast(global_feature.device):
            dtype = torch.promote_types(global_feature.dtype, self.log_temperature_pixel.dtype)
            samples = self.prompt_flow(global_feature.to(dtype), noise)
        context, states = self.prompt_bank(samples)
        n_state = states.shape[-2]
        device = global_feature.device
        token_ids, end_index = tokenize_class_names(class_names, self._name_length)
        start = self.backbone.embed_tokens(torch.tensor(start_token_id(), device=device))
        names = self.backbone.embed_tokens(token_ids.to(device))
        grid = (len(class_names), len(noise.normal), context.shape[2])  # images, samples, bank entries
        prefix = torch.cat([start.expand(*grid, 1, -1), context.expand(*grid, -1, -1)], dim=-2)
        names = names[:, None, None, None].expand(*grid, 2, -1, -1)
        endings = torch.cat([states.expand(*grid, -1, -1, -1), names], dim=-2)
        end_index = (n_state + end_index).to(device).view(-1, 1, 1).expand(grid)
        text = self.backbone.encode_prompts(prefix.flatten(0, 2), endings.flatten(0, 2), end_index.flatten())
        return F.normalize(text, dim=-1).unflatten(0, grid).movedim(3, 1), samples

    def decode(self, features: ImageFeatures, text: torch.Tensor) -> Prediction:
        """Score images with given text.

        Args:
            features: of N images.
            text: normalised text features [N, 2, R, B, C], or [1, 2, R, B, C] to use the same text for all images.
        """
        anomaly_map, uncertainty = self.decode_map(features, text)
        text_score, score_std = self.decode_score(features, text)
        return Prediction(anomaly_map, text_score, uncertainty, score_std)

    def decode_map(self, features: ImageFeatures, text: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Give the first and third field of :meth:`decode`: the map and its spread."""
        logits = self._pair_logits(features, self._text_pairs(features, text))
        return anomaly_map_moments(logits, self.backbone.image_size, chunk_bytes=self.chunk_bytes)

    def decode_score(self, features: ImageFeatures, text: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Give the second and fourth field of :meth:`decode`: the text score and its spread."""
        logits = self._class_logits(features, self._text_pairs(features, text))
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        probability = torch.sigmoid(logits[:, 1] - logits[:, 0])
        return probability.mean(1), probability.std(1, correction=0)

    def training_output(
        self, features: ImageFeatures, class_names: Sequence[str], noise: PromptNoise, *, prompt_index: int
    ) -> TrainingOutput:
        """Compute what the losses of one training step need, with one Monte Carlo sample.

        Args:
            features: of N images, from :meth:`encode_image`.
            class_names: N names.
            noise: context [N, 1, C], normal and abnormal [1, C].
            prompt_index: 0-based entry of the banks that this step's maps are made with.
        """
        # Planar maps amplify rounding, and Adam turns a gradient that is nothing but rounding into a whole step.
        text, samples = self.encode_text(features.global_feature.double(), class_names, noise)
        text = text[:, :, 0]
        logits = self._pair_logits(features, text)[:, :, prompt_index]
        size = (self.backbone.image_size,) * 2
        map_logits = F.interpolate(logits, size=size, mode="bilinear", align_corners=True)
        return TrainingOutput(self._class_logits(features, text), text, map_logits, samples)

    def _text_pairs(self, features: ImageFeatures, text: torch.Tensor) -> torch.Tensor:
        """Give the text pairs [N, 2, M, C] that images are scored with."""
        if self.ensemble == "text":
            text = F.normalize(text.mean((2, 3), keepdim=True), dim=-1)
        return text.flatten(2, 3).expand(len(features.global_feature), -1, -1, -1)

    def _pair_logits(self, features: ImageFeatures, text: torch.Tensor) -> torch.Tensor:
        """Give the map logits [L, N, M, g, g] of text pairs [N, 2, M, C]."""
        patches, refined = self.cross_attention(
            features.patch_tokens, text.flatten(1, 2), kernel=self.backbone.patch_kernel
        )
        return pair_logits(patches, refined.unflatten(2, (2, -1)), self.log_temperature_pixel)

    def _class_logits(self, features: ImageFeatures, text: torch.Tensor) -> torch.Tensor:
        """Give the text-branch logits [N, 2, M] of text pairs [N, 2, M, C]."""
        logits = self.text_score(features, text.flatten(1, 2), self.log_temperature_image, stage=self.stage)
        return logits.unflatten(1, (2, -1))

    def get_extra_state(self) -> torch.Tensor:
        """Give the record that travels in a state dict; see :func:`write_record`."""
        return write_record(
            {
                "backbone": self.backbone.record,
                "hyper_parameters": self.hyper_parameters,
                "stage": self.stage,
                "trained": self.trained,
                "threshold": self.threshold,
            }
        )

    def set_extra_state(self, state: torch.Tensor) -> None:
        """Take over what a state dict's record says of the training."""
        record = read_record(state)
        self.stage = record["stage"]
        self.trained = record["trained"]
        self.threshold = record["threshold"]


def _refuse_before_loading(module: BayesPFL, state_dict: Mapping[str, Any], prefix: str, *_: object) -> None:
    """Check the record before any value is copied, so that a refused checkpoint changes nothing."""
    if f"{prefix}_extra_state" in state_dict:
        refuse_other_record(
            read_record(state_dict[f"{prefix}_extra_state"]), module.backbone.record, module.hyper_parameters
        )


def _initialise_linear_layers(*modules: nn.Module) -> None:
    for module in modules:
        for layer in module.modules():
            if isinstance(layer, nn.Linear):
                nn.init.normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)


def _checked_blocks(feature_blocks: Sequence[int], backbone: CLIPBackbone) -> list[int]:
    if isinstance(feature_blocks, int | str):
        raise ValueError(f"The feature blocks must be a list of numbers, got {feature_blocks!r}")
    blocks = list(feature_blocks)
    if not blocks or blocks != sorted(set(blocks)) or blocks[0] < 1 or blocks[-1] > backbone.n_blocks:
        raise ValueError(
            f"The feature blocks must be ascending numbers from 1 to {backbone.n_blocks}, the blocks of "
            f"{backbone.name}, got {blocks}"
        )
    return blocks


def _check_noise(noise: PromptNoise, n_images: int, width: int) -> None:
    n_samples = len(noise.normal)
    shared = (n_samples, width)
    shapes = [tuple(part.shape) for part in noise]
    if shapes[0] not in (shared, (n_images, *shared)) or shapes[1:] != [shared, shared]:
        raise ValueError(
            f"The noise must have the shapes context [{n_images}, R, {width}] or [R, {width}], normal and abnormal "
            f"[R, {width}], got {', '.join(str(list(shape)) for shape in shapes)}"
        )


def _check_choice(name: str, value: object, choices: Sequence[object]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {list(choices)}, got {value!r}")


def _check_positive(name: str, value: int) -> None:
    if value < 1:
        raise ValueError(f"{name} must be at least 1, got {value}")
