"""PPO: its loss is stable-baselines3's; it stops by KL; it learns a small problem; adapters; the graph network."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra [learn]: make test-learn")

from tomato_host.learn.offline.networks import GnnPolicy, LoRALinear, MlpPolicy, make_policy
from tomato_host.learn.offline.ppo import CLIP, ENTROPY, GAMMA, LAMBDA, VALUE, batch_of, gae, ppo_loss, update
from tomato_host.learn.offline.replay import Replay, graph_of
from tomato_host.learn.offline.train import episodes_of, pretrain, reports_batch, train_on_reports
from tomato_host.learn.policy.view import FEATURES, PolicyAction
from tomato_host.learn.policy.weights import pack_weights, unpack_weights
from tomato_host.learn.settings import LearnOfflineSettings

from tests.learn.views import report

pytestmark = pytest.mark.learn
ACTIONS = len(PolicyAction)
ALL = tuple(range(ACTIONS))


def rows(count: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    return (
        rng.normal(size=(count, len(FEATURES))), [ALL] * count, rng.integers(0, ACTIONS, count),
        np.log(rng.uniform(0.05, 0.5, count)), rng.normal(size=count), rng.normal(size=count),
    )  # fmt: skip


def test_the_loss_is_that_of_stable_baselines3_to_1e_5() -> None:
    sb3 = pytest.importorskip("stable_baselines3", reason="the oracle: make test-learn installs it")
    import gymnasium as gym

    class Nothing(gym.Env):
        observation_space = gym.spaces.Box(-9.0, 9.0, (len(FEATURES),))
        action_space = gym.spaces.Discrete(ACTIONS)

        def reset(self, **_):
            return self.observation_space.sample(), {}

        def step(self, _):
            return self.observation_space.sample(), 0.0, False, False, {}

    oracle = sb3.PPO(
        "MlpPolicy", Nothing(), n_steps=64, batch_size=64, n_epochs=1, clip_range=CLIP, ent_coef=ENTROPY, vf_coef=VALUE,
        gamma=GAMMA, gae_lambda=LAMBDA, seed=0, device="cpu",
    )  # fmt: skip
    oracle.learn(64)
    buffer = oracle.rollout_buffer
    batch = next(buffer.get(64))
    with torch.no_grad():  # move the policy, so that ratios differ from one and some are clipped
        for parameter in oracle.policy.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)

    class Same(torch.nn.Module):  # type: ignore[name-defined]  # torch is asked for at run time
        """The oracle's own policy behind our interface."""

        def forward(self, features, mask):
            distribution = oracle.policy.get_distribution(features)
            return distribution.distribution.logits, oracle.policy.predict_values(features).flatten()

    mine = ppo_loss(
        Same(),
        batch_of(
            batch.observations.numpy(), [ALL] * 64, batch.actions.flatten().numpy(), batch.old_log_prob.numpy(),
            batch.advantages.numpy(), batch.returns.numpy(),
        ),
    )  # fmt: skip
    ratio = (mine.policy, mine.value, mine.entropy)
    assert all(torch.isfinite(part) for part in ratio)
    oracle.rollout_buffer.get = lambda size: iter([batch])  # the very same rows
    oracle.train()
    logged = oracle.logger.name_to_value
    assert float(mine.total) == pytest.approx(logged["train/loss"], abs=1e-5)
    assert float(mine.policy) == pytest.approx(logged["train/policy_gradient_loss"], abs=1e-5)
    assert float(mine.value) == pytest.approx(logged["train/value_loss"], abs=1e-5)
    assert float(-mine.entropy) == pytest.approx(logged["train/entropy_loss"], abs=1e-5)
    assert float(mine.kl) == pytest.approx(logged["train/approx_kl"], abs=1e-5)
    assert logged["train/clip_fraction"] > 0.0, "the comparison covers clipped ratios"


def test_advantages_are_those_written_out_by_hand() -> None:
    advantages, returns = gae([1.0, 0.0, 2.0], [0.5, 0.25, 1.0], 0.0)
    d2 = 2.0 - 1.0
    d1 = 0.0 + GAMMA * 1.0 - 0.25
    d0 = 1.0 + GAMMA * 0.25 - 0.5
    a1 = d1 + GAMMA * LAMBDA * d2
    assert advantages.tolist() == pytest.approx([d0 + GAMMA * LAMBDA * a1, a1, d2])
    assert returns.tolist() == pytest.approx((advantages + np.array([0.5, 0.25, 1.0])).tolist())


def test_a_clipped_ratio_has_no_gradient_and_a_masked_action_no_chance() -> None:
    policy = MlpPolicy(0)
    features, _, actions, _, _, returns = rows(1)
    with torch.no_grad():
        log_p, _ = policy(torch.as_tensor(features, dtype=torch.float32), torch.ones((1, ACTIONS), dtype=torch.bool))
    old = [float(log_p[0, actions[0]]) - 0.5]  # the ratio is e^.5, above 1.2
    batch = batch_of(features, [ALL], actions, old, [1.0], returns)
    loss = ppo_loss(policy, batch, normalise=False)
    assert float(loss.policy) == pytest.approx(-1.2, abs=1e-6)
    loss.policy.backward()
    assert policy.actor.weight.grad is None or not policy.actor.weight.grad.any()
    masked, _ = policy(batch.features, torch.tensor([[True, False, True, False, False, False]]))
    assert torch.isneginf(masked[0, [1, 3, 4, 5]]).all() and float(masked.exp().sum()) == pytest.approx(1.0)
    assert torch.isfinite(
        ppo_loss(policy, batch_of(features, [(0, int(actions[0]))], actions, old, [1.0], returns)).total
    )


def test_training_stops_when_the_policy_has_moved_far_enough() -> None:
    batch = batch_of(*rows(256))
    with torch.no_grad():
        log_p, _ = MlpPolicy(0)(batch.features, batch.mask)
        batch.old_log_p = log_p.gather(1, batch.actions[:, None]).squeeze(1)
    free = update(MlpPolicy(0), batch, epochs=60, learning_rate=0.01, target_kl=1.0)
    tight = update(MlpPolicy(0), batch, epochs=60, learning_rate=0.01, target_kl=0.01)
    assert tight.stopped_by_kl and tight.updates < free.updates and free.epochs > tight.epochs


def bandit(policy, seed: int, count: int = 256):
    """A known problem: the right action is 2 where the first feature is positive, else 0."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(count, len(FEATURES)))
    with torch.no_grad():
        log_p, values = policy(
            torch.as_tensor(features, dtype=torch.float32), torch.ones((count, ACTIONS), dtype=torch.bool)
        )
    actions = np.array([rng.choice(ACTIONS, p=p / p.sum()) for p in log_p.exp().numpy().astype(float)])
    right = np.where(features[:, 0] > 0.0, 2, 0)
    rewards = (actions == right).astype(float)
    old = log_p.numpy()[np.arange(count), actions]
    return batch_of(features, [ALL] * count, actions, old, rewards - values.numpy(), rewards), float(rewards.mean())


@pytest.mark.parametrize("kind", ["mlp", "gnn"])
def test_it_learns_a_small_known_problem_and_watches_entropy_and_explained_variance(kind: str) -> None:
    policy = make_policy(kind, 0)
    first = bandit(policy, 999)[1]
    rounds = 60
    for n in range(rounds):
        batch, _ = bandit(policy, n)
        figures = update(policy, batch, epochs=6, learning_rate=0.01, target_kl=0.1, seed=n)
    assert first < 0.3
    assert bandit(policy, 998)[1] > (0.9 if kind == "mlp" else 0.75)
    assert np.isfinite([figures.entropy, figures.explained_variance, figures.kl]).all()


def test_a_collapsed_policy_is_seen_as_one() -> None:
    policy = MlpPolicy(0)
    with torch.no_grad():
        policy.actor.bias[3] = 50.0
    assert update(policy, batch_of(*rows(64)), epochs=1, learning_rate=1e-6, target_kl=1e9).collapsed
    assert not update(MlpPolicy(0), batch_of(*rows(64)), epochs=1, learning_rate=1e-6, target_kl=1e9).collapsed


def test_numpy_weights_are_the_torch_policy() -> None:
    policy = MlpPolicy(3)
    body = pack_weights(policy.arrays())
    plain = unpack_weights(body, 1, hashlib.sha256(body).hexdigest())
    features, *_ = rows(20)
    with torch.no_grad():
        log_p, values = policy(
            torch.as_tensor(features, dtype=torch.float32), torch.ones((20, ACTIONS), dtype=torch.bool)
        )
    for n in range(20):
        own, value = plain.evaluate(features[n], ALL)
        assert np.allclose(own, log_p[n].numpy(), atol=1e-5) and value == pytest.approx(float(values[n]), abs=1e-5)
    other = MlpPolicy(9)
    other.load(plain.arrays)
    assert all(
        np.allclose(a, b, atol=1e-6) for a, b in zip(other.arrays().values(), plain.arrays.values(), strict=True)
    )


def test_low_rank_adapters_learn_while_the_hidden_layers_stay_and_merge_on_export() -> None:
    policy = MlpPolicy(0)
    before = policy.first.weight.detach().clone()
    policy.adapt(8)
    assert isinstance(policy.first, LoRALinear)
    trained = sum(p.numel() for p in policy.first.parameters() if p.requires_grad)
    assert trained == 8 * (len(FEATURES) + 32)
    for n in range(5):
        update(policy, bandit(policy, n)[0], epochs=4, learning_rate=0.01, target_kl=0.5, seed=n)
    assert torch.equal(policy.first.base.weight, before), "frozen"
    merged = policy.arrays()["w1"].T
    assert not np.allclose(merged, before.numpy())
    plain = MlpPolicy(1)
    plain.load(policy.arrays())
    x, mask = torch.randn(5, len(FEATURES)), torch.ones((5, ACTIONS), dtype=torch.bool)
    with torch.no_grad():
        assert torch.allclose(plain(x, mask)[0], policy(x, mask)[0], atol=1e-5)


def drawn_reports(count: int):
    found = []
    rng = np.random.default_rng(0)
    for n in range(count):
        one = report(n + 1, reward=float(rng.normal()))
        one.state.features[:] = rng.normal(size=20).tolist()
        one.choice.action = int(rng.integers(0, 4))
        one.choice.log_probability = float(np.log(0.25))
        found.append(one)
    return found


def test_reports_become_episodes_and_deterministic_choices_are_left_out() -> None:
    found = drawn_reports(6)
    found[2].ends_episode = True
    found[4].policy_version = 3
    found[5].policy_version = 3
    found[1].choice.deterministic = True
    assert [len(one) for one in episodes_of(found)] == [3, 1, 2]
    batch = reports_batch(found)
    assert batch is not None and len(batch.actions) == 5
    assert reports_batch(found[1:2]) is None
    gap = drawn_reports(4)
    assert [len(one) for one in episodes_of([gap[0], gap[1], gap[3]])] == [2, 1]


@pytest.mark.parametrize("lora", [False, True])
def test_training_on_reports_moves_the_weights_and_is_repeatable(tmp_path: Path, lora: bool) -> None:
    settings = LearnOfflineSettings(least_reports=32, lora=lora)
    replay = Replay(tmp_path / "wal.bin", settings)
    for one in drawn_reports(40):
        assert replay.keep(one)
    bodies = [pack_weights(train_on_reports(MlpPolicy(0), replay, settings, seed=1).policy.arrays()) for _ in range(2)]
    assert bodies[0] == bodies[1] != pack_weights(MlpPolicy(0).arrays())
    few = train_on_reports(MlpPolicy(0), replay, LearnOfflineSettings(least_reports=1_000))
    assert few.figures.updates == 0 and pack_weights(few.policy.arrays()) == pack_weights(MlpPolicy(0).arrays())


def test_pretraining_on_modelled_seasons_is_repeatable() -> None:
    found = [pretrain("mlp", LearnOfflineSettings(epochs=2), seed=3, rounds=2) for _ in range(2)]
    arrays = [one.policy.arrays() for one in found]
    assert all(np.array_equal(a, b) for a, b in zip(arrays[0].values(), arrays[1].values(), strict=True))
    assert found[0].decisions == 2 * 8 * 150 and found[0].figures.updates > 0


def test_the_graph_network_answers_within_the_policys_time() -> None:
    import statistics
    import time

    torch.set_num_threads(1)
    policy, times = GnnPolicy(0), []
    mask = torch.ones((1, ACTIONS), dtype=torch.bool)
    for _ in range(30):
        started = time.process_time()
        with torch.no_grad():
            policy(torch.randn(1, len(FEATURES)), mask)
        times.append((time.process_time() - started) * 1_000.0)
    assert statistics.median(times) <= 45.0


def test_the_graph_network_sees_the_graph_of_the_decision() -> None:
    features, mask = torch.randn(3, len(FEATURES)), torch.rand(3, ACTIONS) > 0.5
    nodes = GnnPolicy(0)._nodes(features, mask)
    for n in range(3):
        graph = graph_of(features[n].tolist(), torch.where(mask[n])[0].tolist())
        assert set(graph.nodes) == set(nodes)
        for name, found in graph.nodes.items():
            assert np.allclose(nodes[name][n].numpy(), found, atol=1e-6), name
