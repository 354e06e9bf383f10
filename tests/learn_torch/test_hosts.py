"""Two torch hosts on a data set stub: packets every epoch, grafts that break nothing, violations that are noticed."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the extra [learn]: make test-learn")

from tomato_host.learn.drills import CountedTelemetry
from tomato_host.learn.host_models import HOSTS, WIDTH, HostTraining, stub_dataset

from shared_schemas.learn.state_pb2 import SystemStatePacket
from tests.learn.views import signer, verifier

pytestmark = pytest.mark.learn


class Leaky(torch.nn.Module):  # type: ignore[name-defined]  # torch is asked for at run time
    """A block that reads one of the host's parameters."""

    def __init__(self, host) -> None:
        super().__init__()
        self.own = torch.nn.Linear(WIDTH, WIDTH)
        self._host = [host]

    def forward(self, x):
        return self.own(x) + self._host[0].end.weight.mean()


def training(kind: str, seed: int = 0) -> HostTraining:
    clock = iter(range(1, 100_000))
    return HostTraining(kind, stub_dataset(seed), signer(), CountedTelemetry(), lambda: float(next(clock)), seed)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", HOSTS)
def test_a_host_trains_and_emits_packets_that_verify(kind: str) -> None:
    one, other = training(kind), training(kind)
    for epoch in range(1, 26):
        packets = [verifier().parse(raw, SystemStatePacket) for raw in one.run_epoch()]
        other.run_epoch()
        assert packets[0].epoch == epoch and packets[0].slots[0].slot == f"{kind[:17]}.0"
    assert one.losses == other.losses and one.losses[-1] < 0.5 * one.losses[0]


@pytest.mark.parametrize("kind", HOSTS)
def test_a_graft_at_share_0_leaves_every_loss_of_the_host_as_it_was(kind: str) -> None:
    alone, grafted = training(kind), training(kind)
    for epoch in range(12):
        if epoch == 4:
            torch.manual_seed(1)
            grafted.graft(torch.nn.Linear(WIDTH, WIDTH))
        alone.run_epoch()
        grafted.run_epoch()
    assert grafted.losses == alone.losses and grafted.host.place.block is not None
    assert grafted.violations.count(1e9) == 0


@pytest.mark.parametrize("kind", HOSTS)
def test_a_block_that_reaches_the_host_is_logged_quarantined_and_taken_out(kind: str) -> None:
    one = training(kind)
    one.graft(Leaky(one.host))
    packet = verifier().parse(one.run_epoch()[0], SystemStatePacket)
    telemetry = one.telemetry
    assert isinstance(telemetry, CountedTelemetry)
    assert [event.name for event in telemetry.events] == ["isolation_violation"] * 3
    assert "end.weight" in telemetry.events[0].text and one.violations.quarantined
    assert one.host.place.block is None and packet.slots[0].violations == 3
    one.run_epoch()
    assert len(telemetry.events) == 3, "the host trains on without it"
