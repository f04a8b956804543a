"""How the towers of CLIP are computed: in which type, by which libraries, compiled or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from bpfl_med.networks.attention_kernel import AttentionKernelSetting
from bpfl_med.networks.linear_kernel import LinearKernelSetting

Precision = Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True)
class ComputeSettings:
    """How a :class:`~bpfl_med.networks.clip_backbone.CLIPBackbone` computes its towers.

    Attributes:
        precision: "float32", or the type in which the costly parts of the blocks are computed, while embeddings, norms
            and the residual stream stay. "float16" is for accelerators: linear layers and attention of both towers,
            whose weights are kept in it. "bfloat16" has 8 bits only. It serves linear layers and attention of the
            patches in the image tower; the class token stays exact (:mod:`~bpfl_med.networks.low_precision_block`). The
            text tower costs too little to gain from it. The speed benchmark measures the error.
        linear_kernel: how float32 linear layers are computed on a CPU, "auto", "linear" or "convolution"; see
            :func:`~bpfl_med.networks.linear_kernel.choose_linear_kernel`. Results differ by rounding alone.
        attention_kernel: how the image tower attends on a CPU, "auto", "fused" or "by_heads"; see
            :func:`~bpfl_med.networks.attention_kernel.choose_attention_kernel`. Results differ by rounding alone.
        compile_options: run the image tower through `torch.compile` with these, such as {"mode": "reduce-overhead"} for
            CUDA graphs; None for not at all.

    Raises:
        ValueError: if a value is none of these.
    """

    precision: Precision = "float32"
    linear_kernel: LinearKernelSetting = "auto"
    attention_kernel: AttentionKernelSetting = "auto"
    compile_options: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        for name, choices in (
            ("precision", get_args(Precision)),
            ("linear_kernel", get_args(LinearKernelSetting)),
            ("attention_kernel", get_args(AttentionKernelSetting)),
        ):
            if (value := getattr(self, name)) not in choices:
                raise ValueError(f"{name} must be one of {list(choices)}, got {value!r}")
        if not isinstance(self.compile_options, Mapping | None):
            raise ValueError(
                f"compile_options must hold torch.compile's arguments by name, got {self.compile_options!r}"
            )
