"""Blueprints compiled for real: the file computes what the module does; weights swap; it grafts; it is fetched."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra [learn]: make test-learn")

from tomato_host.learn.catalogue import Artifact, Catalogue
from tomato_host.learn.compile.child import compiler_missing
from tomato_host.learn.compile.jobs import CompileJob, CompileQueue, jobs_for
from tomato_host.learn.compile.kernels import INPUTS, kernel_of
from tomato_host.learn.compile.loader import CompiledBlock, fetch_kernel, load_artifact
from tomato_host.learn.compile.runner import built_with, compile_all, compile_in_child
from tomato_host.learn.graft import GraftedLayer, check_isolation
from tomato_host.learn.network import NetworkSettings, NetworkTrainer
from tomato_host.learn.policy.files import PolicyFiles
from tomato_host.learn.policy.selection import BlueprintSelection
from tomato_host.learn.policy.service import PolicyService
from tomato_host.learn.settings import LearnPolicySettings

from shared_schemas.learn.budgets import FETCH_P50_MS
from shared_schemas.learn.command_pb2 import AdaptationCommand
from shared_schemas.learn.lifecycle import SlotStage
from tests.learn.views import packets, signer, slot, verifier

pytestmark = pytest.mark.learn


def drawn(key: str, seed: int = 0) -> list:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(w.shape, generator=generator).abs() + 0.1 for w in kernel_of(key).drawn(generator)]


@pytest.mark.parametrize("key", sorted({job.key for job in jobs_for()} - {"numpy"}))
def test_every_template_computes_starts_as_the_identity_and_has_gradients(key: str) -> None:
    kernel, x = kernel_of(key), torch.randn(20, INPUTS)
    start = kernel.drawn(torch.Generator().manual_seed(0))
    assert float(kernel(x, *start).abs().max()) < 3.0 if key.startswith("residual") else not kernel(x, *start).any()
    weights = [w.requires_grad_(n > 1) for n, w in enumerate(drawn(key))]
    kernel(x, *weights).square().mean().backward()
    assert all(w.grad is not None and torch.isfinite(w.grad).all() for w in weights[2:])


def test_the_network_kernel_is_the_network_that_a_slot_trains() -> None:
    trainer = NetworkTrainer(INPUTS, NetworkSettings(width=16), 0)
    net = trainer.network
    torch.nn.init.normal_(net.w2)
    x = torch.randn(9, INPUTS)
    weights = [net.mean, net.scale, net.w1, net.b1, net.w2, net.b2]
    assert torch.allclose(kernel_of("network-16")(x, *weights), net(x), atol=1e-6)


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    """One artifact by AOTInductor where there is a compiler, one exported."""
    found = Catalogue(tmp_path_factory.mktemp("catalogue"))
    wanted = {"network-8": "aoti", "network-16": "exported"}
    queue = CompileQueue(found, lambda job: compile_in_child(job, wanted[job.key]), built_with())
    queue.run([CompileJob("network-8", (7,)), CompileJob("network-16", (6,))])
    assert queue.failed == {}
    return found


def kind_of(catalogue: Catalogue, number: int) -> str:
    row = catalogue.artifact(number)
    assert row is not None
    return row.kind


@pytest.mark.timeout(400)
def test_compiled_files_compute_what_the_module_computes_for_any_rows_and_weights(catalogue: Catalogue) -> None:
    assert kind_of(catalogue, 6) == "exported"
    assert kind_of(catalogue, 7) == ("exported" if compiler_missing() else "aoti")
    for number, key in ((6, "network-16"), (7, "network-8")):
        fetched = fetch_kernel(catalogue, number)
        for rows, seed in ((2, 0), (36, 1), (5_000, 2)):
            x, weights = torch.randn(rows, INPUTS), drawn(key, seed)
            assert torch.allclose(fetched(x, *weights), kernel_of(key)(x, *weights), atol=1e-4)


def test_a_fetch_is_quick_and_a_file_put_there_by_somebody_is_never_loaded(catalogue: Catalogue) -> None:
    fetch_kernel(catalogue, 7)
    times = []
    for _ in range(30):
        started = time.perf_counter()
        fetch_kernel(catalogue, 7)
        times.append((time.perf_counter() - started) * 1_000.0)
    assert statistics.median(times) < FETCH_P50_MS
    with pytest.raises(ValueError):
        load_artifact(Path("x"), Artifact(1, "x", "", "numpy", "", 0, 0.0))


def test_a_compiled_block_grafts_swaps_its_weights_and_training_goes_on(catalogue: Catalogue) -> None:
    class Host(torch.nn.Module):  # type: ignore[name-defined]  # torch is asked for at run time
        def __init__(self) -> None:
            super().__init__()
            self.layer = GraftedLayer(torch.nn.Linear(4, INPUTS))
            self.end = torch.nn.Linear(INPUTS, 1)

        def forward(self, x):
            return self.end(self.layer(x))

    class Wide(torch.nn.Module):  # type: ignore[name-defined]
        """The compiled output beside every column of the host's activation."""

        def __init__(self, block: CompiledBlock) -> None:
            super().__init__()
            self.block = block
            self.own = torch.nn.Parameter(torch.zeros(()))

        def forward(self, x):
            return x + self.own + self.block(x)[:, None]

    torch.manual_seed(0)
    host, x = Host(), torch.randn(32, 4)
    y = x.sum(dim=1, keepdim=True)
    optimizer = torch.optim.SGD(host.parameters(), lr=0.02)

    def step() -> float:
        loss = torch.nn.functional.mse_loss(host(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    losses = [step() for _ in range(20)]
    block = CompiledBlock(fetch_kernel(catalogue, 7), [w.detach() for w in drawn("network-8")])
    wide = Wide(block)
    host.layer.attach(wide)
    losses += [step() for _ in range(20)]
    assert losses[20] < losses[19] * 1.05 and losses[-1] < losses[0], "grafted at share 0: the host's loss goes on"
    isolated = check_isolation(host, wide, lambda: wide(host.layer.host_layer(x).detach()).square().mean())
    assert isolated.reached == () and isolated.block_norm > 0.0
    started = time.perf_counter()
    block.swap([w.detach() for w in drawn("network-8", 5)])
    assert (time.perf_counter() - started) < 0.01
    with pytest.raises(ValueError):
        block.swap([torch.zeros(1)])
    assert np.isfinite(host(x).detach().numpy()).all()


@pytest.mark.timeout(400)
def test_from_the_policys_request_to_a_compiled_kernel(tmp_path: Path) -> None:
    """Policy -> blueprint by the catalogue's metadata -> compiler -> store -> fetch, in one data directory."""
    files = PolicyFiles(tmp_path)
    folder = tmp_path / "learn" / "catalogue"
    selection = BlueprintSelection(LearnPolicySettings(), "network", files.metadata)
    policy = PolicyService(signer(), verifier(), LearnPolicySettings(), selection)

    def asked(epoch: int) -> int:
        raw = policy(packets(epoch, slot("vpd_kpa.0", SlotStage.DORMANT)))
        assert raw is not None
        return int(verifier().parse(raw, AdaptationCommand).slot.blueprint)

    first = asked(1)
    with Catalogue(folder) as store:
        store.record_worth(first, -0.2)
    other = asked(2)
    assert other != first, "what the catalogue recorded of the first one moves the choice"
    jobs = [job for job in jobs_for() if other in job.blueprints]
    queue = compile_all(folder, None, lambda job: compile_in_child(job, "exported"), jobs)
    assert queue.failed == {} and queue.done == [jobs[0].key]
    with Catalogue(folder) as store:
        kernel = fetch_kernel(store, other)
        x, weights = torch.randn(36, INPUTS), drawn(jobs[0].key)
        assert torch.allclose(kernel(x, *weights), kernel_of(jobs[0].key)(x, *weights), atol=1e-4)
