"""Train the small CLIP of the embedded default on drawn pictures: ``python -m bpfl_med.demo.train_backbone``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from open_clip.tokenizer import SimpleTokenizer
from torch import nn
from torch.nn.utils.rnn import pad_sequence

from bpfl_med.checkpoints import read_tensors
from bpfl_med.demo.backbone import TRAINING_SIZE, untrained_clip
from bpfl_med.demo.captions import caption_words
from bpfl_med.demo.drawn_batches import UNKNOWN_NAME, DrawnBatch
from bpfl_med.demo.kinds import TRAINING_KINDS
from bpfl_med.demo.region_losses import PICTURE_OFFSET, picture_loss, region_loss
from bpfl_med.demo.training_command import LossLog, drawn_batches, run_training, training_parser
from bpfl_med.networks.clip_backbone import CLIPBackbone, ImageFeatures
from bpfl_med.networks.clip_normalization import clip_normalize

REGION_BLOCKS = (3, 4, 5, 6)  # those that the demonstration taps
_LOSSES = {"captions": 0.5, "class tokens": 1.0, "patches": 1.0, "most alarming patches": 1.0}  # and their weights
_SCALE = 40.0  # of the logits of patches, to begin with


class Captions(nn.Module):
    """The words that captions use: a small table of token embeddings in place of CLIP's whole vocabulary.

    Row 0 is zero and stays so: it is the embedding of every word that no caption holds.
    """

    def __init__(self, embedding: torch.Tensor) -> None:
        super().__init__()
        self._tokenizer = SimpleTokenizer()
        texts = [*caption_words(), *TRAINING_KINDS]
        special = [self._tokenizer.sot_token_id, self._tokenizer.eot_token_id]
        self.tokens = sorted({token for text in texts for token in self._tokenizer.encode(text)} | set(special))
        self._rows = {token: row for row, token in enumerate(self.tokens, start=1)}
        self._unknown = self._tokenizer.encode(UNKNOWN_NAME)
        rows = embedding.detach()[self.tokens]
        self.table = nn.Parameter(torch.cat([torch.zeros_like(rows[:1]), rows]))

    def forward(self, captions: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Give start embeddings [N, 1, C], those of the captions [N, 1, T, C], and the index of their ends [N]."""
        start, end = (self._rows[t] for t in (self._tokenizer.sot_token_id, self._tokenizer.eot_token_id))
        rows = [
            [*(0 if t in self._unknown else self._rows[t] for t in self._tokenizer.encode(c)), end] for c in captions
        ]
        padded = pad_sequence([torch.tensor(row) for row in rows], batch_first=True)
        embedded = F.embedding(padded, self.table, padding_idx=0)
        begin = self.table[start].expand(len(rows), 1, -1)
        return begin, embedded.unsqueeze(1), torch.tensor([len(row) - 1 for row in rows])

    def vocabulary(self, size: int) -> torch.Tensor:
        """Give the embedding of CLIP's whole vocabulary ``[size, C]``, zero for words that no caption holds."""
        full = self.table.new_zeros(size, self.table.shape[1])
        full[self.tokens] = self.table.detach()[1:]
        return full


def caption_loss(image: torch.Tensor, text: torch.Tensor, topics: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Compute CLIP's contrastive loss; other captions of the same topic are left out of the denominator.

    Args:
        image: normalised features [N, C].
        text: normalised features [N, C] of the captions.
        topics: [N].
        scale: inverse temperature.
    """
    logits = scale * image @ text.T
    same = (topics[:, None] == topics[None]) & ~torch.eye(len(topics), dtype=torch.bool)
    logits = logits.masked_fill(same, -torch.inf)
    target = torch.arange(len(topics))
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def region_logits(patches: torch.Tensor, text: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Compare each patch with the two captions of its pair: how much nearer it is to the damaged one, [L, 2B, S].

    Args:
        patches: normalised, projected patch tokens [L, 2B, S, C].
        text: normalised features [2B, C] of the captions, flawless and damaged by turns.
        scale: inverse temperature.
    """
    direction = (text[1::2] - text[::2]).repeat_interleave(2, 0)
    return scale * (patches @ direction.unsqueeze(-1)).squeeze(-1)


def train(
    *,
    seed: int,
    n_steps: int,
    n_pairs: int,
    learning_rate: float,
    initial: Sequence[Path] = (),
    bfloat16: bool = False,
) -> dict[str, torch.Tensor]:
    """Train the small CLIP and return its state dict, in half precision.

    Args:
        seed: of weights, pictures and captions.
        n_steps: optimiser steps.
        n_pairs: pairs of pictures in each.
        learning_rate: the highest; it rises over the first tenth of the steps and falls as a cosine.
        initial: weights to begin with, of earlier trainings, each for a part or for all; the rest are random ones.
        bfloat16: multiply in it in the image tower, which is fast on processors that have it.
    """
    clip = untrained_clip(seed=seed)
    begin_with = clip.state_dict()
    for path in initial:
        begin_with |= read_tensors(path)
    clip.load_state_dict(begin_with)
    backbone = CLIPBackbone(clip, image_size=TRAINING_SIZE, name="demo", pretrained=False)
    clip.requires_grad_(True)
    captions = Captions(clip.token_embedding.weight)
    clip.token_embedding.requires_grad_(False)
    region_scale = nn.Parameter(torch.tensor(math.log(_SCALE)))
    picture_offset = nn.Parameter(torch.tensor(PICTURE_OFFSET))
    weights = torch.tensor(list(_LOSSES.values()))
    parameters = [p for p in clip.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": 0.05},
            {
                "params": [p for p in parameters if p.ndim < 2] + [captions.table, region_scale, picture_offset],
                "weight_decay": 0.0,
            },
        ],
        lr=learning_rate,
        betas=(0.9, 0.98),
    )
    warm_up = max(1, n_steps // 10)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min(
            (step + 1) / warm_up, 0.5 + 0.5 * math.cos(math.pi * max(0, step - warm_up) / (n_steps - warm_up))
        ),
    )
    log = LossLog(_LOSSES, every=25)
    for step, batch in enumerate(drawn_batches(seed=seed, n_steps=n_steps, n_pairs=n_pairs), start=1):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
            features = backbone.encode_image(clip_normalize(batch.images), REGION_BLOCKS)
        features = ImageFeatures(*(part.float() for part in features))
        text = backbone.encode_prompts(*captions([*batch.captions, *batch.plain_captions])).squeeze(1)
        losses = _losses(backbone, features, text, batch, region_scale, picture_offset)
        optimizer.zero_grad()
        (weights @ losses).backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            clip.logit_scale.clamp_(0, math.log(100))
        log.add(step, losses)
    with torch.no_grad():
        clip.token_embedding.weight.copy_(captions.vocabulary(len(clip.token_embedding.weight)))
    return {name: tensor.detach().half().contiguous() for name, tensor in clip.state_dict().items()}


def _losses(
    backbone: CLIPBackbone,
    features: ImageFeatures,
    text: torch.Tensor,
    batch: DrawnBatch,
    region_scale: torch.Tensor,
    picture_offset: torch.Tensor,
) -> torch.Tensor:
    """Give the contrasts that `_LOSSES` names; only the first looks at captions that say which damage there is."""
    visual = backbone.clip.visual
    text, plain_text = F.normalize(text, dim=-1).chunk(2)
    image = F.normalize(features.global_feature, dim=-1)
    patches = F.normalize(visual.ln_post(features.patch_tokens) @ visual.proj, dim=-1)
    logits = region_logits(patches, plain_text, region_scale.exp())
    return torch.stack(
        [
            caption_loss(image, text, batch.topics, backbone.clip.logit_scale.exp()),
            picture_loss(region_logits(image[None, :, None], plain_text, region_scale.exp()), torch.zeros(())),
            region_loss(logits, batch.damaged),
            picture_loss(logits, picture_offset),
        ]
    )


def main() -> None:
    """Run the training as the command line says."""
    parser = training_parser(__doc__, n_steps=2500, n_pairs=32, learning_rate=1e-3)
    parser.add_argument("--initial", type=Path, nargs="*", default=[], help="weights of earlier trainings")
    run_training(parser, train)


if __name__ == "__main__":
    main()
