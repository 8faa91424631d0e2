"""Laws of smooth activations against their expectations in 150 digits, at every kind of pair."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from high_precision.activations import closed_form
from mpmath import mp, mpf

from ntkbench_jax.dual_activations.exponential import Exp, Gaussian
from ntkbench_jax.dual_activations.gelu import Gelu
from ntkbench_jax.dual_activations.interface import Moments, Pair, Smooth
from ntkbench_jax.dual_activations.polynomial import Polynomial
from ntkbench_jax.dual_activations.trigonometric import Cos, Rbf, Sin

try:
    from jax import enable_x64
except ImportError:
    from jax.experimental import enable_x64

DIGITS = 150
TINY = {np.dtype(np.float64): 1e-290, np.dtype(np.float32): 1e-37}  # what underflow may take
LAWS: dict[str, Smooth] = {
    "exp": Exp(),
    "gaussian": Gaussian(),
    "sin": Sin(),
    "cos": Cos(),
    "rbf(gamma=1.0)": Rbf(1.0),
    "rbf(gamma=0.1)": Rbf(0.1),
    "polynomial(coefficients=[0.5, -1.0, 0.0, 0.25])": Polynomial((0.5, -1.0, 0.0, 0.25)),
    "polynomial(coefficients=[0.0, 1.0, 0.0, 0.0, 0.5, 0.0])": Polynomial((0.0, 1.0, 0.0, 0.0, 0.5, 0.0)),
    "monomial(degree=2)": Polynomial.monomial(2),
    "monomial(degree=3)": Polynomial.monomial(3),
    "monomial(degree=0)": Polynomial.monomial(0),
    "hermite(degree=2)": Polynomial.hermite(2),
    "hermite(degree=3)": Polynomial.hermite(3),
    "hermite(degree=5)": Polynomial.hermite(5),
    "gelu": Gelu(),
}
DEVIATIONS = (1e-8, 1e-3, 0.1, 0.4, 0.9, 1.0, 2.0, 4.5, 30.0, 1e4, 1e8)
RATIOS = (0.0, 1e-12, 1e-6, 1e-3, 0.1, 0.45, 0.55, 0.59, 0.61, 0.9, 0.99999999)  # 1 - second / first
LARGEST_LIST = 4356
POINTS = 11  # of every test of products: one shape, so that one program of each type serves them all
AGAIN = {  # other parameters on the same paths
    "rbf(gamma=0.1)",
    "polynomial(coefficients=[0.0, 1.0, 0.0, 0.0, 0.5, 0.0])",
    "monomial(degree=2)",
    "monomial(degree=3)",
    "hermite(degree=2)",
    "hermite(degree=5)",
}
SPECS = [pytest.param(spec, marks=[pytest.mark.exhaustive] * (spec in AGAIN)) for spec in LAWS]
ANGLES = (0.0, 1e-12, 1e-9, 1e-5, 1e-2, 0.3, 1.0, 1.5, np.pi / 2)


def all_pairs() -> Pair:
    """Every deviation, ratio, angle and its supplement, in either order; the gap and the sine are exact."""
    first, ratio, angle, flip, swap = np.meshgrid(DEVIATIONS, RATIOS, ANGLES, (1, -1), (0, 1), indexing="ij")
    first, ratio, angle, flip, swap = (a.ravel() for a in (first, ratio, angle, flip, swap))
    gap, sine = first * ratio, np.sin(angle)
    second = first - gap
    cosine = flip * np.where(angle == np.pi / 2, 0.0, np.cos(angle))
    one, two = np.where(swap, second, first), np.where(swap, first, second)
    return Pair(one, two, np.where(swap, -gap, gap), cosine, sine, np.zeros_like(gap))


def answers(spec: str, row: tuple[float, ...]) -> tuple[mpf, ...]:
    """Both rms, gap, cosine, sine, response, and the scale of the response, of a pair made consistent."""
    larger, gap = mpf(max(row[:2])), mpf(row[2])
    s1, s2 = (larger, larger - gap) if gap >= 0 else (larger + gap, larger)
    cosine = mp.sign(row[3]) * mp.sqrt(1 - mpf(row[4]) ** 2) if row[4] < 0.7 else mpf(row[3])
    (f1, d1), (f2, d2) = single(spec, s1), single(spec, s2)
    value, slope = closed_form(spec).duals(s1 * s1, s2 * s2, s1 * s2 * cosine)
    c, stretch = value / (f1 * f2), s1 * s2 / (f1 * f2)
    return f1, f2, f1 - f2, c, mp.sqrt(max(1 - c * c, 0)), slope * stretch, d1 * d2 * stretch


@lru_cache(maxsize=4096)
def single(spec: str, s: mpf) -> tuple[mpf, mpf]:
    value, slope = closed_form(spec).duals(s * s, s * s, s * s)
    return mp.sqrt(value), mp.sqrt(slope)


def pairs_in_range(spec: str) -> Pair:
    """All pairs with root mean squares, and products of them, that are float64s."""
    pair = all_pairs()
    return Pair(*(a[np.maximum(pair.first, pair.second) < (18 if spec == "exp" else np.inf)] for a in pair))


@cache
def program(spec: str, method: str) -> Callable[..., Any]:
    return jax.jit(getattr(LAWS[spec], method))


def features(spec: str, pair: Pair) -> list[np.ndarray]:
    """In one shape, so that one program serves all tests."""
    with enable_x64(True):
        filled = (jnp.asarray(np.resize(a, LARGEST_LIST)) for a in pair)
        return [np.asarray(a)[: len(pair.first)] for a in program(spec, "features")(Pair(*filled))]


@pytest.mark.parametrize("every", [41, pytest.param(1, marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("spec", SPECS)
def test_features_keep_their_digits_for_any_pair(spec: str, every: int) -> None:
    """Errors in roundings of each number itself; of a response, of its bound by Cauchy and Schwarz.

    The sine of a polynomial's pair has errors of roundings of what separates it, by angle or length.
    """
    pair = pairs_in_range(spec)
    found = features(spec, pair)
    assert all(np.isfinite(a).all() for a in found)
    roundings = 1 + 2 * np.maximum(pair.first, pair.second) ** 2 if spec == "exp" else np.full_like(pair.first, 6.0)
    with mp.workdps(DIGITS):
        least = mpf(10) ** (30 - DIGITS)  # of the digits of differences, those the reference holds
        for i, row in list(enumerate(zip(*(a.tolist() for a in pair[:5]), strict=True)))[::every]:
            f1, f2, gap, cosine, sine, response, scale = answers(spec, row)
            polynomial = isinstance(LAWS[spec], Polynomial)
            separation = mp.hypot(sine, gap / max(f1, f2)) if polynomial else sine
            errors = {
                "first": abs(found[0][i] - f1) / f1 / roundings[i],
                "second": abs(found[1][i] - f2) / f2 / roundings[i],
                "gap": abs(found[2][i] - gap) / max(abs(gap), least * max(f1, f2)) / roundings[i],
                "cosine": abs(found[3][i] - cosine),
                "sine": abs(found[4][i] - sine) / max(separation, mpf(10) ** -50),
                "response": abs(found[5][i] - response) / (scale or 1),
            }
            for name, error in errors.items():
                assert error < 1e-14, (name, float(error), row)


@pytest.mark.parametrize("every", [3, pytest.param(1, marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("dtype", [np.float64, pytest.param(np.float32, marks=pytest.mark.exhaustive)])
@pytest.mark.parametrize("spec", SPECS)
def test_products_of_ordinary_pairs(spec: str, dtype: type, every: int) -> None:
    """Of K as the type holds it, errors in roundings of the root mean squares' products."""
    deviations = np.resize([d for d in DEVIATIONS if d < (1.9 if spec == "exp" else 40)], POINTS)
    cosines = np.array([-0.98, -0.5, 1e-9, 0.3, 0.0, 0.9, 0.98])[::every]
    with enable_x64(True):
        moments = program(spec, "moments")(jnp.asarray(deviations))
        cast = jax.tree.map(lambda a: jnp.asarray(a, dtype), moments)
        one, two = jax.tree.map(lambda a: a[..., :, None], cast), jax.tree.map(lambda a: a[..., None, :], cast)
        s1, s2 = deviations[:, None], deviations[None, :]
        for cosine in cosines:
            covariance = np.asarray(s1 * s2 * cosine, dtype)
            found = program(spec, "products")(one, two, jnp.asarray(covariance))
            assert all(a.dtype == dtype and a.shape == covariance.shape for a in found)
            check_products(
                spec, deviations, covariance, [np.asarray(a) for a in found], np.asarray(moments.rms), moments
            )


def check_products(
    spec: str,
    deviations: np.ndarray,
    covariance: np.ndarray,
    found: list[np.ndarray],
    rms: np.ndarray,
    moments: Moments,
) -> None:
    rounding = np.finfo(covariance.dtype).eps
    distinct = [mpf(s) for s in dict.fromkeys(deviations.tolist())]  # they come first
    with mp.workdps(40):
        for i, s1 in enumerate(distinct):
            f1, d1 = single(spec, s1)
            assert abs(rms[i] - f1) <= 4e-15 * f1
            assert abs(float(moments.slope[i]) - d1) <= 4e-15 * d1
            for j, s2 in enumerate(distinct):
                f2, d2 = single(spec, s2)
                k = mpf(float(covariance[i, j]))
                exact = closed_form(spec).duals(s1 * s1, s2 * s2, k)
                room = 16 + 2 * float(s1 * s1 + s2 * s2) * sensitive(spec)
                for value, answer, scale in zip(found, exact, (f1 * f2, d1 * d2), strict=True):
                    error = abs(mpf(float(value[i, j])) - answer)
                    assert error <= room * rounding * scale + TINY[covariance.dtype], (float(s1), float(s2), float(k))


def sensitive(spec: str) -> bool:
    """Whether roundings of K itself are magnified by K."""
    return not isinstance(LAWS[spec], Polynomial | Gelu)


@pytest.mark.parametrize("spec", SPECS)
def test_numbers_at_the_ends_of_the_range(spec: str) -> None:
    """Zero, tiny, huge and overflown deviations, coincident, antipodal and in between: never NaN, cosines in range."""
    ends = np.array([0.0, 5e-324, 1e-160, 1e-8, 1.0, 26.0, 1e8, 1e75, 1e160, 1.7e308, np.inf])
    first, second, angle = (a.ravel() for a in np.meshgrid(ends, ends, [0.0, 1e-9, 1.0, np.pi / 2, 3.0, np.pi]))
    with np.errstate(invalid="ignore"):
        gap = np.nan_to_num(first - second, nan=0.0)
    cosine, sine = np.cos(angle), np.where(angle == np.pi, 0.0, np.sin(angle))
    found = features(spec, Pair(first, second, gap, cosine, sine, np.zeros_like(gap)))
    assert not any(np.isnan(a).any() for a in found)
    assert all(np.isfinite(a).all() for a in found[2:])
    assert (np.abs(found[3]) <= 1).all() and (found[4] >= 0).all() and (found[4] <= 1).all()
    np.testing.assert_allclose(found[3] ** 2 + found[4] ** 2, 1.0, atol=1e-14)
    coincident = (first == second) & (angle == 0) & (found[0] > 0)
    np.testing.assert_allclose(found[3][coincident], 1.0, rtol=1e-15)
    np.testing.assert_array_equal(found[4][coincident], 0.0)
    with enable_x64(True):
        moments = program(spec, "moments")(jnp.asarray(ends))
        for dtype, known in ((jnp.float64, 8), (jnp.float32, 7)):
            some = np.resize(np.arange(known), POINTS)
            cast = jax.tree.map(lambda a, i=some, d=dtype: a[..., i].astype(d), moments)
            one, two = jax.tree.map(lambda a: a[..., :, None], cast), jax.tree.map(lambda a: a[..., None, :], cast)
            for cosine in (0.5, 0.0, -0.5):
                covariance = jnp.asarray(cosine * np.outer(ends[some], ends[some]), dtype)
                products = program(spec, "products")(one, two, covariance)
                assert not any(np.isnan(np.asarray(a)).any() for a in products)
