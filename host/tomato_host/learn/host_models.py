"""Small torch hosts to graft into, and the loop that trains them: where isolation is about real gradients.

The tent's own host is the forecaster (numpy, no gradient to reach). These two show the same slots on a network:
`resnet_lite` (two residual blocks) and `transformer_lite` (one layer of attention), on a data set stub. `import torch`
stands here: this file needs the extra [learn].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import torch

from shared_schemas.learn.state_pb2 import SlotState, StateMetric
from tomato_host.learn.graft import GraftedLayer, check_isolation
from tomato_host.learn.isolation import ViolationWindow
from tomato_host.learn.messages import encode_state
from tomato_host.learn.night_telemetry import emit_violation
from tomato_host.learn.signing import MessageSigner
from tomato_host.learn.telemetry import Telemetry

HostKind = Literal["resnet_lite", "transformer_lite"]
Batch = tuple[Any, Any]
Dataset = Callable[[int], Batch]
"""From an epoch's number to inputs [N, 8, 4] and targets [N]."""

STEPS, WIDTH, LENGTH, INPUTS = 8, 16, 8, 4


class ResnetLite(torch.nn.Module):  # type: ignore[misc]  # torch is checked nowhere
    """Two residual blocks over the flattened sequence; the place for a block is the second."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = torch.nn.Linear(LENGTH * INPUTS, WIDTH)
        self.first = torch.nn.Linear(WIDTH, WIDTH)
        self.place = GraftedLayer(torch.nn.Linear(WIDTH, WIDTH))
        self.end = torch.nn.Linear(WIDTH, 1)

    def forward(self, x: Any) -> Any:
        h = torch.relu(self.enter(x.flatten(1)))
        h = h + torch.relu(self.first(h))
        return self.end(h + torch.relu(self.place(h))).squeeze(-1)


class TransformerLite(torch.nn.Module):  # type: ignore[misc]
    """One layer of attention over the sequence, read at its mean and its end; the place for a block is after it."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = torch.nn.Linear(INPUTS, WIDTH)
        self.position = torch.nn.Parameter(torch.randn(LENGTH, WIDTH) * 0.1)
        self.attention = torch.nn.MultiheadAttention(WIDTH, 2, batch_first=True)
        self.place = GraftedLayer(torch.nn.Linear(WIDTH, WIDTH))
        self.end = torch.nn.Linear(2 * WIDTH, 1)

    def forward(self, x: Any) -> Any:
        h = self.enter(x) + self.position
        h = h + self.attention(h, h, h, need_weights=False)[0]
        h = h + torch.tanh(self.place(h))
        return self.end(torch.cat([h.mean(dim=1), h[:, -1]], dim=1)).squeeze(-1)


HOSTS: dict[str, Callable[[], Any]] = {"resnet_lite": ResnetLite, "transformer_lite": TransformerLite}


def stub_dataset(seed: int = 0, rows: int = 64) -> Dataset:
    """Drawn sequences whose target is a smooth function of them; the same seed and epoch give the same rows."""

    def batch(epoch: int) -> Batch:
        generator = torch.Generator().manual_seed(seed * 100_003 + epoch)
        x = torch.randn((rows, LENGTH, INPUTS), generator=generator)
        return x, torch.tanh(x[:, :, 0].mean(dim=1)) + 0.5 * x[:, -1, 1]

    return batch


@dataclass
class HostTraining:
    """Trains a host with one slot beside it, each on its own loss; publishes a packet an epoch."""

    kind: HostKind
    dataset: Dataset
    signer: MessageSigner
    telemetry: Telemetry
    now_s: Callable[[], float]
    seed: int = 0
    epoch: int = 0
    losses: list[float] = field(default_factory=list)
    violations: ViolationWindow = field(default_factory=ViolationWindow)

    def __post_init__(self) -> None:
        torch.manual_seed(self.seed)
        self.host = HOSTS[self.kind]()
        own = [p for name, p in self.host.named_parameters() if ".block." not in name]
        self._optimizer = torch.optim.Adam(own, lr=0.01, foreach=False)
        self._block_optimizer: Any = None

    def graft(self, block: Any, share: float = 0.0) -> None:
        """Put a block into the host's place; it learns from the host's activations, detached."""
        self.host.place.attach(block, share)
        self._block_optimizer = torch.optim.Adam(block.parameters(), lr=0.001, foreach=False)

    def run_epoch(self) -> list[bytes]:
        """STEPS steps of the host and of the block; returns the signed packets of the epoch."""
        self.epoch += 1
        x, y = self.dataset(self.epoch)
        total = 0.0
        for _ in range(STEPS):
            loss = torch.nn.functional.mse_loss(self.host(x), y)
            self._optimizer.zero_grad()
            loss.backward()
            self._optimizer.step()
            total += float(loss.detach())
            if self._block_optimizer is not None and not self.violations.quarantined:
                self._train_block(x)
        self.losses.append(total / STEPS)
        return self._packets()

    def _train_block(self, x: Any) -> None:
        place = self.host.place

        def own_loss() -> Any:
            target = self.host.place.host_layer
            self.host(x)
            return (place.block_output - _activation(target)).square().mean()

        found = check_isolation(self.host, place.block, own_loss)
        if found.reached:
            self.violations.add(self.now_s())
            emit_violation(self.telemetry, f"{self.kind}.0", found.reached)
            if self.violations.quarantined:
                place.detach_block()
                self._block_optimizer = None
            return
        loss = own_loss()
        self._block_optimizer.zero_grad()
        loss.backward()
        self._block_optimizer.step()

    def _packets(self) -> list[bytes]:
        metrics = {int(StateMetric.STATE_METRIC_LOSS): self.losses[-1]}
        attached = self.host.place.block is not None
        slot = SlotState(
            slot=f"{self.kind[:17]}.0", stage="SLOT_STAGE_TRAINING" if attached else "SLOT_STAGE_DORMANT",
            violations=self.violations.count(self.now_s()),
        )  # fmt: skip
        return encode_state(self.signer, self.seed + 1, self.epoch, metrics, [slot])


def _activation(layer: Any) -> Any:
    """What a block imitates first: the bias of the host's layer, detached; enough to have a loss of its own."""
    return layer.bias.detach()
