"""Grafting and isolation: the host trains on as it did, and a slot's loss that reaches it is noticed."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="needs the extra [learn]: make test-learn")

from tomato_host.learn.graft import GraftedLayer, check_isolation

pytestmark = pytest.mark.learn


class Host(torch.nn.Module):  # type: ignore[name-defined]  # torch is asked for at run time
    """Two layers, the first of them with a place for a block."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first = GraftedLayer(torch.nn.Linear(4, 8))
        self.last = torch.nn.Linear(8, 1)

    def forward(self, x):
        return self.last(self.first(x))


X = torch.linspace(-1.0, 1.0, 64).reshape(16, 4)
Y = X.sum(dim=1, keepdim=True)


def train(host: Host, steps: int, block=None) -> list[float]:
    """Train host and block side by side, each on its own loss."""
    optimizer = torch.optim.SGD([p for n, p in host.named_parameters() if "block" not in n], lr=0.05)
    own = torch.optim.SGD(block.parameters(), lr=0.05) if block is not None else None
    losses = []
    for _ in range(steps):
        loss = torch.nn.functional.mse_loss(host(X), Y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if own is not None:
            host(X)
            own.zero_grad()
            host.first.block_output.square().mean().backward()
            own.step()
    return losses


def test_a_block_without_a_share_changes_neither_output_nor_training() -> None:
    plain, grafted = Host(), Host()
    block = torch.nn.Linear(8, 8)
    grafted.first.attach(block)
    assert torch.equal(plain(X), grafted(X))
    assert train(plain, 20) == train(grafted, 20, block)
    assert torch.equal(plain(X), grafted(X))


def test_a_block_with_a_share_mixes_and_the_host_goes_on_learning() -> None:
    host, block = Host(), torch.nn.Identity()
    host.first.attach(block, 0.25)
    x = host.first.host_layer(X)
    assert torch.allclose(host.first(X), x), "share * x + (1 - share) * x"
    host.first.attach(torch.nn.Linear(8, 8), 0.25)
    losses = train(host, 60)
    assert losses[-1] < 0.5 * losses[0]
    assert host.first.detach_block() is not None and host.first.block is None


def test_a_detached_block_is_isolated_and_attached() -> None:
    host, block = Host(), torch.nn.Linear(8, 8)
    host.first.attach(block, 0.25)
    host(X)
    found = check_isolation(host, block, lambda: host.first.block_output.square().mean())
    assert found.reached == () and found.block_norm > 0.0
    train(host, 1)
    host(X)
    again = check_isolation(host, block, lambda: host.first.block_output.square().mean())
    assert again.reached == (), "the host's own gradients are no violation"


def test_a_slot_loss_that_reaches_the_host_is_a_violation() -> None:
    host, block = Host(), torch.nn.Linear(8, 8)
    host.first.attach(block, 0.25)
    leak = check_isolation(host, block, lambda: block(host.first.host_layer(X)).square().mean())
    assert set(leak.reached) == {"first.host_layer.weight", "first.host_layer.bias"}
    mixed = check_isolation(host, block, lambda: host(X).square().mean())
    assert "last.weight" in mixed.reached, "a slot's loss computed from the host's output"


def test_a_block_of_another_shape_or_share_is_refused() -> None:
    host = Host()
    with pytest.raises(ValueError, match="outside 0 to 1"):
        host.first.attach(torch.nn.Linear(8, 8), 1.5)
    host.first.attach(torch.nn.Linear(8, 7), 0.25)
    with pytest.raises(ValueError, match="the host"):
        host(X)
