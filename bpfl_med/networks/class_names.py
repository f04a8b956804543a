"""From the name of an organ or object to the text tokens that end a prompt."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from open_clip.tokenizer import SimpleTokenizer

# The released program says these names in other words; the published checkpoints are evaluated with them.
CLASS_NAME_ALIASES = {
    "macaroni1": "macaroni",
    "macaroni2": "macaroni",
    "pcb1": "printed circuit board",
    "pcb2": "printed circuit board",
    "pcb3": "printed circuit board",
    "pcb4": "printed circuit board",
    "pipe_fryum": "pipe fryum",
    "chewinggum": "chewing gum",
    "metal_nut": "metal nut",
}


@cache
def _tokenizer() -> SimpleTokenizer:
    return SimpleTokenizer()


@cache
def _token_ids(class_name: str) -> tuple[int, ...]:
    known_name = CLASS_NAME_ALIASES.get(class_name, class_name).lower()
    ids = _tokenizer().encode(known_name)
    if not ids or max(ids) >= _tokenizer().sot_token_id:
        raise ValueError(f"A class name must say what the image shows, such as 'brain', got {class_name!r}")
    return (*ids, _tokenizer().eot_token_id)


def start_token_id() -> int:
    """Return the id of the token that starts every text."""
    return _tokenizer().sot_token_id


def vocabulary_size() -> int:
    """Return how many tokens CLIP's vocabulary has."""
    return _tokenizer().vocab_size


def tokenize_class_names(class_names: Sequence[str], max_tokens: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Turn class names into CLIP's byte pair tokens, each ended by the end-of-text token.

    Args:
        class_names: one name per image; aliases are looked up first, then the name is lower-cased.
        max_tokens: how many tokens the text encoder has left for a name and its end-of-text token.

    Returns:
        Token ids [N, T], padded with zeros behind the end-of-text token, and the index of that token [N].

    Raises:
        ValueError: if a name is empty or longer than the text encoder can take.
    """
    ids = [_token_ids(name) for name in class_names]
    for name, tokens in zip(class_names, ids, strict=True):
        if len(tokens) > max_tokens:
            raise ValueError(
                f"The class name {name!r} needs {len(tokens)} text tokens, and there is room for {max_tokens}; "
                "use a shorter name"
            )
    longest = max(len(tokens) for tokens in ids)
    padded = [[*tokens, *[0] * (longest - len(tokens))] for tokens in ids]
    return torch.tensor(padded), torch.tensor([len(tokens) - 1 for tokens in ids])
