"""A training-free reference: CLIP with an ensemble of written prompts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F

from bpfl_med.networks.anomaly_map import CHUNK_BYTES, anomaly_map_moments, upsampled_probability
from bpfl_med.networks.class_names import CLASS_NAME_ALIASES, start_token_id, tokenize_class_names
from bpfl_med.networks.clip_backbone import CLIPBackbone, ImageFeatures
from bpfl_med.networks.compute_settings import ComputeSettings
from bpfl_med.networks.mixed_precision import without_autocast
from bpfl_med.networks.scoring_network import ANY_OBJECT, Prediction, ScoringNetwork, check_one_name_per_image
from bpfl_med.networks.weights_notice import weights_notice


class PromptEnsemble(ScoringNetwork):
    r"""Score images with a frozen CLIP and written prompts: the text side of WinCLIP's idea, without its windows.

    Every template is filled with every state and the class name. The normalised text features of all normal prompts are
    averaged and normalised to t_n, those of all abnormal ones to t_a. With CLIP's own temperature s,

    .. math::
        score = \sigma(s\, \langle x, t_a - t_n \rangle), \quad map_i = \sigma(s\, \langle p_i, t_a - t_n \rangle)

    where x is the normalised image feature and p_i the normalised patch token of the last block after CLIP's last norm
    and projection, which CLIP trained for the class token alone; logits are upsampled as those of Bayes-PFL.
    Uncertainty is the standard deviation over the pairs of prompts (a template with the two states of a pair), each
    pair by itself.

    Args:
        backbone: the frozen CLIP.
        state_pairs: a normal and an abnormal state each, with {} for the class name: ("healthy {}", "diseased {}").
        templates: with {} for the state, such as "a photo of the {}.".
        class_name: what images show when :meth:`forward` is not told.
        chunk_bytes: how much memory upsampled maps may take at a time.
        compute_settings: how the backbone computes from now on; as it did if None.

    Raises:
        ValueError: if there are no states or templates, or one has not exactly one {}.
    """

    def __init__(
        self,
        backbone: CLIPBackbone,
        *,
        state_pairs: Sequence[tuple[str, str]],
        templates: Sequence[str],
        class_name: str = ANY_OBJECT,
        chunk_bytes: int = CHUNK_BYTES,
        compute_settings: ComputeSettings | None = None,
    ) -> None:
        super().__init__(class_name)
        if not state_pairs or not templates or any(len(pair) != 2 for pair in state_pairs):
            raise ValueError("The prompt ensemble needs a template and a pair of states, one normal and one abnormal")
        for text in (*templates, *(state for pair in state_pairs for state in pair)):
            if text.count("{}") != 1:
                raise ValueError(f"A state or template must hold {{}} once, for what is put in, got {text!r}")
        self.backbone = backbone
        if compute_settings is not None:
            backbone.compute_with(compute_settings)
        self.state_pairs = [tuple(pair) for pair in state_pairs]
        self.templates = list(templates)
        self.chunk_bytes = chunk_bytes
        self._known_text: dict[str, torch.Tensor] = {}

    @property
    def image_size(self) -> int:
        """Height and width of the input, in pixels."""
        return self.backbone.image_size

    @property
    def notice(self) -> str | None:
        """A sentence for every place where numbers appear, or None; see :func:`weights_notice`."""
        return weights_notice({"CLIP backbone": self.backbone.pretrained}, self.backbone.notice)

    @property
    def provenance(self) -> dict[str, Any]:
        """What a report must say of the network: backbone and prompts."""
        return {
            "name": "CLIP prompt ensemble",
            "checksum": self.checksum,
            "backbone": self.backbone.record,
            "state_pairs": [list(pair) for pair in self.state_pairs],
            "templates": self.templates,
            "precision": self.backbone.compute_settings.precision,
            "computed_by": self.backbone.computed_by,
            "caution": self.caution,
            "notice": self.notice,
        }

    @property
    def checksum(self) -> str:
        """SHA-256 of what makes a result: the backbone's own checksum, and the prompts."""
        made_of = [self.backbone.checksum, self.state_pairs, self.templates]
        return hashlib.sha256(json.dumps(made_of).encode()).hexdigest()

    @torch.no_grad()
    def predict(self, image: torch.Tensor, class_names: Sequence[str]) -> Prediction:
        """Score images: anomaly map, text score, and the spread of both over the pairs of prompts.

        Args:
            image: [N, 3, H, W], CLIP-normalised RGB, with the backbone's image size.
            class_names: what each image shows, such as "brain".

        Raises:
            ValueError: if the image has another shape, or the names are not one per image, empty or too long.
        """
        check_one_name_per_image(len(image), class_names)
        features = self.backbone.encode_image(image, [self.backbone.n_blocks])
        with without_autocast(image.device):  # what follows costs nothing, and text is kept for other calls
            features = ImageFeatures(*(part.to(self._scale) for part in features))
            pairs = torch.stack([self._text(name).to(image.device) for name in class_names])
            mean = F.normalize(pairs.mean(2, keepdim=True), dim=-1)
            logits, pair_logits = (self._map_logits(features, text) for text in (mean, pairs))
            _, uncertainty = anomaly_map_moments(pair_logits[None], self.image_size, chunk_bytes=self.chunk_bytes)
            scores = torch.sigmoid(self._image_logits(features, mean)).squeeze(1)
            spread = torch.sigmoid(self._image_logits(features, pairs)).std(1, correction=0)
            return Prediction(upsampled_probability(logits, self.image_size), scores, uncertainty, spread)

    def check_class_names(self, class_names: Sequence[str]) -> None:
        """Raise a ValueError now if a name is empty or too long for the text encoder, before images are scored."""
        for name in dict.fromkeys(class_names):
            self._tokens(name)

    def _image_logits(self, features: ImageFeatures, text: torch.Tensor) -> torch.Tensor:
        """Give logits [N, M] of "abnormal against normal" of text pairs [N, 2, M, C]."""
        image = F.normalize(features.global_feature, dim=-1)
        return self._scale * ((text[:, 1] - text[:, 0]) @ image.unsqueeze(-1)).squeeze(-1)

    def _map_logits(self, features: ImageFeatures, text: torch.Tensor) -> torch.Tensor:
        """Give the same [N, M, g, g] of every patch."""
        visual = self.backbone.clip.visual
        patches = F.normalize(visual.ln_post(features.patch_tokens[-1]) @ visual.proj, dim=-1)
        logits = self._scale * (text[:, 1] - text[:, 0]) @ patches.transpose(-1, -2)
        return logits.unflatten(-1, (self.backbone.grid_size, self.backbone.grid_size))

    @property
    def _scale(self) -> torch.Tensor:
        return self.backbone.clip.logit_scale.exp()

    def _text(self, class_name: str) -> torch.Tensor:
        """Give the normalised text features [2, M, C] of all pairs of prompts; each name is encoded once."""
        if class_name not in self._known_text:
            ids, end_index = self._tokens(class_name)
            device = self._scale.device
            tokens = self.backbone.embed_tokens(ids.to(device))
            start = self.backbone.embed_tokens(torch.tensor(start_token_id(), device=device)).expand(len(ids), 1, -1)
            features = self.backbone.encode_prompts(start, tokens[:, None], end_index.to(device))[:, 0]
            text = F.normalize(features, dim=-1).unflatten(0, (2, -1))
            if text.is_meta:  # where only the memory is asked for
                return text
            self._known_text[class_name] = text
        return self._known_text[class_name]

    def _tokens(self, class_name: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokenise all prompts of a class, first the normal ones."""
        tokenize_class_names([class_name], self.backbone.text_length - 1)  # says so of the name where it is empty
        known_name = CLASS_NAME_ALIASES.get(class_name, class_name)
        prompts = [
            template.format(pair[side].format(known_name))
            for side in (0, 1)
            for pair in self.state_pairs
            for template in self.templates
        ]
        return tokenize_class_names(prompts, self.backbone.text_length - 1)
