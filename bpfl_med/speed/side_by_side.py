"""Both ways of computing side by side, in turn, so that whatever else the machine does meets both."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from bpfl_med.machine.tensor_memory import TensorMemory
from bpfl_med.networks import BayesPFL, Prediction
from bpfl_med.speed.matmul_peak import MatmulPeak
from bpfl_med.speed.released_way import released_way
from bpfl_med.speed.stages import STAGES, StageFlops, StageSeconds, Way, our_way

TOLERANCE = 1e-4
"""How far the float32 results of the two ways may lie apart."""

RELEASED = "released way"


@dataclass
class Measurement:
    """What was measured of one way in one precision.

    Attributes:
        way: how it computes.
        network: that it computes with.
        rounds: seconds of every stage, one a round.
        flops: of the matrix products of every stage, for one image.
        tensor_bytes: the most that tensors took at one time, beside the weights.
        predictions: one a round.
    """

    way: Way
    network: BayesPFL
    rounds: list[dict[str, float]] = field(default_factory=list)
    flops: dict[str, int] = field(default_factory=dict)
    tensor_bytes: int = 0
    predictions: list[Prediction] = field(default_factory=list)

    @property
    def seconds(self) -> dict[str, float]:
        """The fastest round of every stage, and of the whole image."""
        fastest = {stage: min(found[stage] for found in self.rounds) for stage in STAGES}
        return {**fastest, "whole image": min(sum(found.values()) for found in self.rounds)}

    @property
    def weight_bytes(self) -> int:
        """What the weights take."""
        return sum(tensor.nbytes for tensor in (*self.network.parameters(), *self.network.buffers()))


class SideBySide:
    """Run the released way, ours in float32 and ours in other precisions on the same images and weights.

    Args:
        networks: by precision, float32 first; all of the same weights, on one device.
        images: [1, 3, H, W] each, one a round.
        class_name: what they show.

    Attributes:
        measurements: by name: `RELEASED`, then the precisions.
        computed_by: `CLIPBackbone.computed_by`, by precision.
        peaks: the best rate of matrix products, by type.
    """

    def __init__(self, networks: Mapping[str, BayesPFL], images: Sequence[torch.Tensor], class_name: str) -> None:
        self.images = images
        self.class_name = class_name
        self.device = networks["float32"].log_temperature_pixel.device
        self.measurements = {
            RELEASED: Measurement(released_way, networks["float32"]),
            **{precision: Measurement(our_way, network) for precision, network in networks.items()},
        }
        # Asked for now: what is measured for an answer must not be counted with the first image.
        self.computed_by = {precision: network.backbone.computed_by for precision, network in networks.items()}
        self.peaks = {precision: MatmulPeak(self.device, getattr(torch, precision)) for precision in networks}

    def run(self) -> None:
        """Count operations and memory with the first image, which also warms everything up, then time every image.

        Raises:
            AssertionError: if the two ways' float32 results differ by more than `TOLERANCE`.
        """
        for found in self.measurements.values():
            counter = StageFlops()
            with _peak_memory(self.device, found):
                found.way(found.network, self.images[0], self.class_name, counter)
            found.flops = counter.flops
        for image in self.images:
            for peak in self.peaks.values():
                peak.measure()
            for found in self.measurements.values():
                clock = StageSeconds(self.device)
                found.predictions.append(found.way(found.network, image, self.class_name, clock))
                found.rounds.append(clock.seconds)
        worst = max(self.errors("float32").values())
        if not worst <= TOLERANCE:
            raise AssertionError(
                f"The two ways give results that differ by {worst:.1e}, more than {TOLERANCE}: one of them is wrong"
            )

    def errors(self, name: str) -> dict[str, float]:
        """Give the largest difference from the released way's results, by field of the prediction."""
        pairs = list(zip(self.measurements[name].predictions, self.measurements[RELEASED].predictions, strict=True))
        return {
            part: max(float((getattr(ours, part) - getattr(released, part)).abs().max()) for ours, released in pairs)
            for part in Prediction._fields
        }

    def same_ranking(self, name: str) -> bool:
        """Say whether the images have the same order by their score (text score + maximum of the map)."""
        orders = [
            sorted(range(len(self.images)), key=[float(p.text_score + p.anomaly_map.max()) for p in found].__getitem__)
            for found in (self.measurements[name].predictions, self.measurements[RELEASED].predictions)
        ]
        return orders[0] == orders[1]

    def share_of_peak(self, name: str) -> float:
        """Give the rate of a whole image over the machine's best for matrix products of that precision.

        The operations are those that our way needs, whichever way is asked for.
        """
        precision = "float32" if name == RELEASED else name
        rate = sum(self.measurements["float32"].flops.values()) / self.measurements[name].seconds["whole image"]
        return rate / self.peaks[precision].best

    def record(self) -> dict[str, Any]:
        """Give all of it for a JSON file."""
        released = self.measurements[RELEASED].seconds
        return {
            "ways": {
                name: {
                    "seconds": found.seconds,
                    "images_per_second": 1 / found.seconds["whole image"],
                    "ratio_to_released": {
                        stage: released[stage] / seconds for stage, seconds in found.seconds.items() if seconds
                    },
                    "gflop": {stage: count / 1e9 for stage, count in found.flops.items()},
                    "share_of_matmul_peak": self.share_of_peak(name),
                    "tensor_mib": found.tensor_bytes / 2**20,
                    "weight_mib": found.weight_bytes / 2**20,
                    "largest_error": self.errors(name),
                    "same_ranking": self.same_ranking(name),
                    "rounds": found.rounds,
                }
                for name, found in self.measurements.items()
            },
            "computed_by": self.computed_by,
            "matmul_gflop_per_second": {
                precision: {kernel: rate / 1e9 for kernel, rate in peak.rates.items()}
                for precision, peak in self.peaks.items()
            },
        }


@contextlib.contextmanager
def _peak_memory(device: torch.device, found: Measurement) -> Iterator[None]:
    """Note the most memory that tensors take while a block runs, beside what is there before."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        yield
        found.tensor_bytes = torch.cuda.max_memory_allocated(device) - before
    else:
        with TensorMemory() as memory:
            yield
        found.tensor_bytes = memory.peak
