"""Read the tensors of a file from outside without running code that it may hold."""

from __future__ import annotations

import pickle
import re
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import torch
from open_clip import get_pretrained_url, list_openai_models
from safetensors.torch import load_file

from bpfl_med.files.checksum import file_checksum
from bpfl_med.machine.memory_advice import memory_advice


def read_tensors(path: str | Path, *, trust_torchscript: bool = False) -> dict[str, Any]:
    """Read a dict of tensors from safetensors, a PyTorch file, or OpenAI's TorchScript archive.

    Args:
        path: the file.
        trust_torchscript: open a TorchScript archive although it is none of those that OpenAI published. Such an
            archive holds code; allow this only for a file whose maker you trust.

    Returns:
        The dict as it was saved, which may be nested; the state dict of an archive.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is truncated, of another kind, holds more than tensors, or is an unknown archive.
        MemoryError | RuntimeError: if memory runs out, as the library says it.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no weights file {path}; give the path of a file that you have downloaded")
    is_torchscript = _is_torchscript(path)
    if is_torchscript and not trust_torchscript:
        _check_published_by_openai(path)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        if is_torchscript:
            return dict(torch.jit.load(path, map_location="cpu").state_dict())
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{path} is no file of weights, or holds more than weights; it was not opened, because it could run code"
        ) from error
    except Exception as error:  # a damaged pickle can raise anything
        if memory_advice(error):
            raise
        raise ValueError(
            f"{path} cannot be read as weights: it is truncated or of another kind; fetch it again"
        ) from error
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds no dict of tensors but a {type(content).__name__}; give a state dict")
    return content


@cache
def openai_checksums() -> frozenset[str]:
    """Return the SHA-256 of the archives that OpenAI published, as open_clip's download table names them."""
    urls = (get_pretrained_url(name, "openai") for name in list_openai_models())
    return frozenset(found.group(1) for url in urls if (found := re.search(r"/clip/models/([0-9a-f]{64})/", url)))


def _is_torchscript(path: Path) -> bool:
    try:
        if not zipfile.is_zipfile(path):
            return False
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/constants.pkl") or "/code/" in name for name in archive.namelist())
    except (zipfile.BadZipFile, NotImplementedError):  # damaged: for torch to refuse
        return False


def _check_published_by_openai(path: Path) -> None:
    checksum = file_checksum(path)
    if checksum not in openai_checksums():
        raise ValueError(
            f"{path} is a TorchScript archive, which can run code, and none that OpenAI published "
            f"(SHA-256 {checksum}); convert it to safetensors, or set trust_torchscript if you trust its maker"
        )
