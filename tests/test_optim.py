"""Optimizers against steps computed by hand, and why latent weights are clipped."""

import numpy as np
import pytest

from tinybnn.model.optim import adam, bop, clip_latent, learning_rate, sgd

P = {"w": np.array([1.0, -2.0]), "b": np.array([0.5])}
G = {"w": np.array([0.1, 0.2]), "b": np.array([-1.0])}


@pytest.mark.parametrize("optimizer", [sgd(), adam(), bop(["w"])], ids=lambda o: o.name)
def test_a_step_is_pure_and_keeps_keys_shapes_and_dtypes(optimizer):
    params = {k: v.astype(np.float32) for k, v in P.items()}
    gradients = {k: v.astype(np.float32) for k, v in G.items()}
    state = optimizer.init(params)
    before = {k: v.copy() for k, v in (params | state).items()}
    new, new_state = optimizer.step(params, gradients, state, lr=0.1, t=1)
    assert list(new) == list(params) and new_state.keys() == state.keys()
    assert all(v.dtype == np.float32 for v in (*new.values(), *new_state.values()))
    assert all(np.array_equal(v, before[k]) for k, v in (params | state).items())
    again, _ = optimizer.step(params, gradients, state, lr=0.1, t=1)
    assert all(np.array_equal(new[k], again[k]) for k in new)


def test_sgd_by_hand():
    optimizer = sgd(momentum=0.5)
    p, s = optimizer.step(P, G, optimizer.init(P), lr=0.1, t=1)
    p, s = optimizer.step(p, G, s, lr=0.1, t=2)
    # m = g, then 0.5 g + g = 1.5 g: together 2.5 g
    np.testing.assert_allclose(p["w"], P["w"] - 0.1 * 2.5 * G["w"], rtol=1e-15)


def test_adam_against_the_papers_own_order_of_operations():
    optimizer, p, s = adam(), P, adam().init(P)
    m = v = np.zeros(2)
    theta = P["w"].copy()
    for t in range(1, 6):
        g = G["w"] * t
        p, s = optimizer.step(p, {"w": g, "b": G["b"]}, s, lr=0.01, t=t)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        theta = theta - 0.01 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    np.testing.assert_allclose(p["w"], theta, rtol=1e-12)


def test_adams_first_step_is_the_learning_rate_whatever_the_gradients_size():
    for size in (1e-6, 1.0, 1e6):
        p, _ = adam().step(P, {k: g * size for k, g in G.items()}, adam().init(P), lr=0.01, t=1)
        np.testing.assert_allclose(p["w"], P["w"] - 0.01, rtol=1e-3)


def test_bop_flips_where_the_evidence_has_the_weights_own_sign():
    w = np.array([1.0, 1.0, -1.0, -1.0, 1.0])
    g = np.array([5.0, -5.0, -5.0, 5.0, 0.0])
    optimizer = bop(["w"], gamma=0.1, threshold=0.1)
    p, s = optimizer.step({"w": w}, {"w": g}, optimizer.init({"w": w}), lr=9.9, t=1)
    assert p["w"].tolist() == [-1, 1, 1, -1, 1]
    np.testing.assert_allclose(s["bop/w"], 0.1 * g)


def test_bop_waits_until_the_evidence_passes_the_threshold():
    optimizer, p = bop(["w"], gamma=0.1, threshold=0.25), {"w": np.array([1.0])}
    s, seen = optimizer.init(p), []
    for t in range(1, 5):  # m = 0.1, 0.19, 0.271
        p, s = optimizer.step(p, {"w": np.array([1.0])}, s, lr=0, t=t)
        seen.append(p["w"][0])
    assert seen == [1, 1, -1, -1]


def test_bop_leaves_the_other_parameters_to_the_other_optimizer():
    optimizer = bop(["w"], other=sgd(0.0))
    p, _ = optimizer.step(P, G, optimizer.init(P), lr=0.1, t=1)
    assert p["b"][0] == 0.5 + 0.1


def test_clipping_touches_latent_weights_only():
    p = clip_latent({"w": np.array([-3.0, 0.5, 3.0]), "b": np.array([7.0])}, ("w",))
    assert p["w"].tolist() == [-1, 0.5, 1] and p["b"][0] == 7


def test_a_clipped_latent_weight_flips_back_sooner():
    """Without the clip, a weight that has grown for 100 steps needs as many steps to return."""

    def steps_to_flip(clip):
        p, s, optimizer = {"w": np.array([0.5])}, {}, sgd(0.0)
        s = optimizer.init(p)
        for _ in range(100):
            p, s = optimizer.step(p, {"w": np.array([-1.0])}, s, lr=0.1, t=1)
            p = clip_latent(p, ("w",)) if clip else p
        steps = 0
        while p["w"][0] >= 0:
            p, s = optimizer.step(p, {"w": np.array([1.0])}, s, lr=0.1, t=1)
            steps += 1
        return steps

    assert steps_to_flip(clip=True) < 15 < 100 < steps_to_flip(clip=False)


def test_schedules():
    assert [learning_rate("step", p) for p in (0, 0.49, 0.5, 0.74, 0.75, 1)] == [1, 1, 0.1, 0.1, 0.01, 0.01]
    assert learning_rate("constant", 0.9) == 1
    assert 0.5 < learning_rate("cosine", 0.4) < 1
    with pytest.raises(ValueError, match="learning_rate: schedule is 'linear', expected one of 'constant', 'cosine'"):
        learning_rate("linear", 0.5)
