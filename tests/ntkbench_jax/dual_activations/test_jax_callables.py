"""Activations known as functions: against high precision, closed forms, and one route against the other."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from grids import exhaustive
from mpmath import mp, mpf

from ntkbench.errors import DataError, UnavailableError
from ntkbench_jax.dual_activations.functions import FUNCTIONS, enable_x64
from ntkbench_jax.dual_activations.hermite import Hermite
from ntkbench_jax.dual_activations.interface import Adaptive, Pair, Smooth
from ntkbench_jax.dual_activations.polar import Polar, polar
from ntkbench_jax.dual_activations.rules import ladder
from ntkbench_jax.dual_activations.series import adaptive, series

DIGITS = 32
STEP = mpf(1) / 7  # poles are at least pi / 2 from the real line: the trapezoidal rule errs by exp(-7 pi^2) = 1e-30
REACH = 129  # of squared radii, beyond which the Gaussian in the plane is below 1e-28
ROUNDING = 5e-15  # of sums over hundreds of terms, relative to the products of root mean squares


def logistic(x):
    return 1 / (1 + mp.exp(-x))


EXACT = {  # phi and phi' of one mpf
    "tanh": (mp.tanh, lambda x: mp.sech(x) ** 2),
    "sigmoid": (logistic, lambda x: logistic(x) * logistic(-x)),
    "softplus": (lambda x: mp.log1p(mp.exp(x)), logistic),
    "silu": (lambda x: x * logistic(x), lambda x: logistic(x) * (1 + x * logistic(-x))),
}
NEAR = [(1.0, 1e-5), (1.0 + 1e-6, 1e-5), (1.0 + 1e-6, 0.0), (1.0, np.pi - 1e-5)]  # second deviation and angle


@partial(jax.jit, static_argnums=0)
def moments_of(law, deviation):
    return law.moments(deviation)


@partial(jax.jit, static_argnums=0)
def products_of(law, one, two, covariance):
    return law.products(one, two, covariance)


@partial(jax.jit, static_argnums=0)
def features_of(law, pair):
    return law.features(pair)


@cache
def law_of(function, *deviations):
    law, error = adaptive(function, getattr(function, "__name__", "function")).resolved(np.array(deviations))
    assert isinstance(law, Smooth)
    assert 0 <= error <= 1e-13
    return law, error


def products(law, first, second, covariance):
    """phi and phi' products over those of root mean squares, of one pair."""
    with enable_x64(True):
        one, two = (moments_of(law, jnp.array([s])) for s in (first, second))
        rows, columns = jax.tree.map(lambda x: x[..., None], one), jax.tree.map(lambda x: x[..., None, :], two)
        value, slope = products_of(law, rows, columns, jnp.array([[covariance]]))
        return (
            float(value[0, 0]),
            float(slope[0, 0]),
            float(one.rms[0] * two.rms[0]),
            float(one.slope[0] * two.slope[0]),
        )


def features(law, first, second, angle, norm_difference=None):
    with enable_x64(True):
        norm_difference = first - second if norm_difference is None else norm_difference
        parts = (first, second, norm_difference, np.cos(angle), np.sin(angle), 0.0)
        return jax.tree.map(lambda x: float(x[0]), features_of(law, Pair(*(jnp.array([part]) for part in parts))))


@cache
def grid():
    u = [STEP * i for i in range(-int(REACH**0.5 / STEP), int(REACH**0.5 / STEP) + 1)]
    return [(x, float(x * x), mp.npdf(x) * STEP) for x in u]


def expectation(f, first, second, cosine, sine):
    """E[f(first u) f(second v)] by the trapezoidal rule in the plane."""

    def inner(x, size):
        return mp.fdot((b, f(second * (cosine * x + sine * y))) for y, square, b in grid() if square + size < REACH)

    return mp.fdot((a * f(first * x), inner(x, size)) for x, size, a in grid())


@cache
def mean_square(f, deviation):
    return mp.fdot((a, f(deviation * x) ** 2) for x, _, a in grid())


@pytest.mark.parametrize(
    ("name", "first", "second", "cosine"),
    [
        ("tanh", 1.0, 0.5, -0.9),
        *exhaustive(
            *((name, *pair) for name in EXACT for pair in ((1.0, 0.5, -0.9), (0.01, 0.01, 0.3), (1.0, 1.0, 1.0)))
        ),
    ],
)
def test_products_of_analytic_functions_in_high_precision(name, first, second, cosine):
    law, error = law_of(FUNCTIONS[name], first, second)
    assert isinstance(law, Hermite)
    covariance = first * second * cosine
    found = products(law, first, second, covariance)
    with mp.workdps(DIGITS):
        exact = mpf(covariance) / (mpf(first) * mpf(second))
        for i, f in enumerate(EXACT[name]):
            value = expectation(f, mpf(first), mpf(second), exact, mp.sqrt(1 - exact**2))
            norm = mp.sqrt(mean_square(f, mpf(first)) * mean_square(f, mpf(second)))
            assert abs(found[i + 2] / norm - 1) < 2e-15
            assert abs(found[i] - value) / norm < error + ROUNDING


@pytest.mark.parametrize("name", ["softplus", *exhaustive("tanh", "sigmoid", "silu")])
def test_products_at_a_variance_of_ten_by_sums_in_extended_precision(name):
    if np.finfo(np.longdouble).eps > 1e-18:
        pytest.skip("this machine's long double is not extended")
    f = {
        "tanh": np.tanh,
        "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
        "softplus": lambda x: np.logaddexp(0, x),
        "silu": lambda x: x / (1 + np.exp(-x)),
    }[name]
    deviation = np.sqrt(10.0)
    law, error = law_of(FUNCTIONS[name], deviation)
    u = np.arange(-260, 261, dtype=np.longdouble) * 0.045
    w = np.exp(-(u**2) / 2)
    w /= w.sum()
    for cosine in (-0.97, -0.2, 0.5, 0.97):
        value, _, norm, _ = products(law, deviation, deviation, 10.0 * cosine)
        s, c = np.longdouble(deviation), np.longdouble(10.0 * cosine) / np.longdouble(deviation) ** 2
        plane = f(s * (c * u[:, None] + np.sqrt(1 - c * c) * u))
        assert abs(value - float((w * f(s * u)) @ (plane @ w))) / norm < error + ROUNDING


@pytest.mark.parametrize(
    ("name", "second", "angle"),
    [
        ("tanh", 1.0, 1e-5),
        ("softplus", 1.0 + 1e-6, 1e-5),
        *exhaustive(*((name, *pair) for name in EXACT for pair in NEAR)),
    ],
)
def test_nearly_parallel_pairs_keep_the_digits_of_their_angle(name, second, angle):
    law, _ = law_of(FUNCTIONS[name], 1.0, second)
    found = features(law, 1.0, second, angle)
    f, slope = EXACT[name]
    with mp.workdps(DIGITS):
        c, s = (mp.sqrt(1 - mpf(np.sin(angle)) ** 2) * (-1 if angle > 2 else 1), mpf(np.sin(angle)))
        norm1, norm2 = (mp.sqrt(mean_square(f, mpf(x))) for x in (1.0, second))
        cosine = expectation(f, mpf(1), mpf(second), c, s) / norm1 / norm2
        sine = mp.sqrt((1 - cosine) * (1 + cosine))
        response = expectation(slope, mpf(1), mpf(second), c, s) * second / norm1 / norm2
        assert abs(found.sine / sine - 1) < 2e-13
        assert abs(found.cosine - cosine) < 2e-15
        assert abs(found.response / response - 1) < 2e-14
        assert abs(found.first / norm1 - 1) < 2e-15
        if second != 1:
            assert abs(found.norm_difference / (norm1 - norm2) - 1) < 1e-13
        else:
            assert found.norm_difference == 0


def elu_given(mean, deviation):
    """E[elu(v)] and E[elu'(v)] for v ~ N(mean, deviation^2)."""
    z = mean / deviation
    below = mp.exp(mean + deviation**2 / 2) * mp.ncdf(-z - deviation)
    return mean * mp.ncdf(z) + deviation * mp.npdf(z) + below - mp.ncdf(-z), mp.ncdf(z) + below


@pytest.mark.parametrize(
    ("deviation", "cosine"),
    [
        (1.0, 1 - 1e-10),
        *exhaustive((1.0, 0.4), (1.0, -0.9), *((s, c) for s in (0.01, 3.0) for c in (-0.9, 0.4, 1 - 1e-10))),
    ],
)
def test_elu_pair_by_pair_in_high_precision(deviation, cosine):
    law, error = law_of(jax.nn.elu, deviation)
    assert isinstance(law, Polar)
    angle = np.arccos(cosine)
    found = features(law, deviation, deviation, angle)
    with mp.workdps(28):
        s = mpf(deviation)
        sine, cosine = mpf(float(np.sin(angle))), mpf(float(np.cos(angle)))
        cosine = mp.sqrt(1 - sine**2) * mp.sign(cosine)
        exact = (lambda x: x if x > 0 else mp.expm1(x), lambda x: mpf(1) if x > 0 else mp.exp(x))
        layer = min(sine / abs(cosine), mpf(1))  # where the conditional mean is about the conditional deviation
        cuts = sorted(
            {k * b for b in (layer, 3 * layer, 9 * layer, mpf(1), mpf(3), mpf(11)) for k in (-1, 1)} | {mpf(0)}
        )
        cuts = [cut for cut in cuts if abs(cut) <= 11]

        def pair(i):
            return mp.quad(lambda u: mp.npdf(u) * exact[i](s * u) * elu_given(s * cosine * u, s * sine)[i], cuts)

        square, slope = (mp.quad(lambda u, i=i: mp.npdf(u) * exact[i](s * u) ** 2, cuts) for i in (0, 1))
        value, response = pair(0) / square, pair(1) * s * s / square
        assert abs(found.first - mp.sqrt(square)) < 2e-15 * found.first
        assert abs(found.cosine - value) < error + ROUNDING
        assert abs(found.sine / mp.sqrt((1 - value) * (1 + value)) - 1) < 1e-13
        assert abs(found.response - response) < (error + ROUNDING) * slope * s * s / square


@pytest.mark.parametrize(
    ("name", "deviation"),
    [("erf", 3.0), *exhaustive(*((name, s) for name in ("erf", "sin") for s in (1e-8, 0.3, 1.0, 2.0, 3.0)))],
)
def test_closed_forms_through_the_generic_route(name, deviation):
    q, cosines = deviation**2, (-0.95, 0.1, 0.95)
    function, exact = {
        "erf": (
            jax.scipy.special.erf,
            lambda k: (
                2 / np.pi * np.arcsin(2 * k / (1 + 2 * q)),
                4 / np.pi / np.sqrt((1 + 2 * q) ** 2 - 4 * k * k),
            ),
        ),
        "sin": (jnp.sin, lambda k: (np.exp(-q) * np.sinh(k), np.exp(-q) * np.cosh(k))),
    }[name]
    law, error = law_of(function, deviation)
    for cosine in cosines:
        value, slope, norm, slopes = products(law, deviation, deviation, q * cosine)
        expected = exact(q * cosine)
        assert abs(value - expected[0]) < (error + ROUNDING) * norm
        assert abs(slope - expected[1]) < (error + ROUNDING) * slopes


def test_polynomials_are_exact():
    law, error = law_of(lambda x: x**3 - 2 * x + 1, 1.5, 0.7)
    assert error < ROUNDING
    p, q, k = 2.25, 0.49, -0.6
    value, slope, norm, slopes = products(law, 1.5, 0.7, k)
    cubic = 9 * p * q * k + 6 * k**3 - 6 * (p + q) * k + 4 * k + 1
    assert abs(value - cubic) < 2e-15 * norm
    assert abs(slope - (9 * (p * q + 2 * k * k) - 6 * (p + q) + 4)) < 2e-15 * slopes
    identity, _ = law_of(lambda x: x, 1e-8, 1e3)
    assert products(identity, 1e-8, 1e3, 3e-6)[:2] == pytest.approx((3e-6, 1.0), rel=1e-15)


def test_constants_have_no_tangent():
    law, _ = law_of(lambda x: jnp.ones_like(x), 1.0)
    assert products(law, 1.0, 1.0, 0.5)[:2] == pytest.approx((1.0, 0.0), abs=1e-15)


@pytest.mark.exhaustive  # each route is compared with high precision in any case
@pytest.mark.parametrize(
    ("name", "deviation"),
    [("tanh", 0.5), ("tanh", 2.5), ("softplus", 2.5), ("silu", 2.5)],  # at 2.5 all polar rules are tried
)
def test_both_routes_agree(name, deviation):
    (one, missed1), (two, missed2) = (route(FUNCTIONS[name], np.array([deviation])) for route in (series, polar))
    for cosine in (-0.95, 0.3, 0.97):
        covariance = deviation**2 * cosine
        first, second = (products(law, deviation, deviation, covariance) for law in (one, two))
        assert abs(first[0] - second[0]) < (missed1 + missed2 + ROUNDING) * first[2]
        assert abs(first[1] - second[1]) < (missed1 + missed2 + ROUNDING) * first[3]
    for angle in (1e-6, np.pi - 1e-6, 1.0):
        first, second = (features(law, deviation, deviation - 0.1, angle, norm_difference=0.1) for law in (one, two))
        for here, there in zip(first, second, strict=True):
            assert here == pytest.approx(there, rel=1e-12, abs=1e-15)


@pytest.mark.exhaustive  # a kink at 0 is integrated for elu in any case
def test_relu_as_a_function_is_relu():
    law, error = law_of(jax.nn.relu, 1e-8, 1.0, 1e8)
    for angle in (1e-7, 0.5, 2.0, np.pi - 1e-3):
        found = features(law, 1.0, 2.0, angle, norm_difference=-1.0)
        cosine = (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / np.pi
        assert abs(found.cosine - cosine) < error + ROUNDING
        assert found.norm_difference == pytest.approx(-np.sqrt(0.5), rel=1e-14)
        assert found.response == pytest.approx(1 - angle / np.pi, rel=1e-13)  # s s' / f f' is 2
        assert found.sine > 0
    near = features(law, 1.0, 1.0, 1e-7)
    assert near.sine == pytest.approx(1e-7, rel=1e-6)


@pytest.mark.exhaustive
def test_saturated_tanh_is_the_sign():
    deviation = 1e8
    law, _ = law_of(FUNCTIONS["tanh"], deviation)
    value, _, norm, slopes = products(law, deviation, deviation, 0.6 * deviation**2)
    assert value / norm == pytest.approx(2 / np.pi * np.arcsin(0.6), abs=2e-8)  # corrections are 1 / deviation
    assert slopes == pytest.approx(4 / 3 / np.sqrt(2 * np.pi) / deviation, rel=1e-8)  # E[sech(s u)^4]


def test_zero_is_a_point_like_any_other():
    for function in (FUNCTIONS["sigmoid"], jax.nn.elu):
        law, _ = law_of(function, 0.0, 1.0)
        found = features(law, 0.0, 1.0, 0.5 * np.pi)
        assert np.isfinite(list(found)).all()
        assert found.first == pytest.approx(float(function(jnp.zeros(()))), abs=1e-15)
        law, _ = law_of(function, 0.0)
        assert np.isfinite(list(features(law, 0.0, 0.0, 0.0))).all()


def test_tiny_inputs_keep_relative_accuracy():
    law, _ = law_of(FUNCTIONS["tanh"], 1e-8, 2e-8)
    found = features(law, 1e-8, 2e-8, 1e-7)
    assert found.first == pytest.approx(1e-8, rel=1e-14)
    assert found.sine == pytest.approx(1e-7, rel=1e-9)
    assert found.response == pytest.approx(1.0, rel=1e-14)


def test_float32_takes_fewer_terms_and_keeps_its_digits():
    law, _ = law_of(FUNCTIONS["tanh"], 2.0)
    assert law.short < law.order
    exact = products(law, 2.0, 2.0, 3.8)
    with enable_x64(True):
        point = jax.tree.map(lambda x: x.astype(jnp.float32)[..., None], moments_of(law, jnp.array([2.0])))
        value, slope = products_of(law, point, point, jnp.array([[3.8]], jnp.float32))
    assert value.dtype == jnp.float32
    assert abs(float(value[0, 0]) - exact[0]) < 1e-6 * exact[2]
    assert abs(float(slope[0, 0]) - exact[1]) < 2e-6 * exact[3]


def test_laws_are_equal_for_equal_work():
    one, two = (law_of.__wrapped__(FUNCTIONS["tanh"], 1.0)[0] for _ in range(2))
    assert one == two
    assert hash(one) == hash(two)
    assert isinstance(adaptive(jnp.tanh, "tanh"), Adaptive)


def kinked(x):
    return jnp.where(x > 1, x - 1, 0.0)


def test_a_kink_away_from_0_says_what_was_achieved(monkeypatch):
    """By the two coarsest rules of quadrature alone: each rule is compiled."""
    monkeypatch.setattr("ntkbench_jax.dual_activations.polar.ladder", lambda reach: (ladder(reach)[0][:2],))
    with pytest.raises(UnavailableError, match=r'"odd one".*misses'):
        adaptive(kinked, "odd one").resolved(np.array([1.0]))


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("function", "deviation"),
    [
        (kinked, 1.0),
        (lambda x: jnp.exp(x**2), 1.0),
        (lambda x: jnp.floor(x), 1.0),
        (lambda x: jnp.clip(x, -1.0, 1.0), 0.5),
    ],
)
def test_what_cannot_be_had_says_what_was_achieved(function, deviation):
    with pytest.raises(UnavailableError, match=r'"odd one".*misses'):
        adaptive(function, "odd one").resolved(np.array([deviation]))


@pytest.mark.parametrize(
    ("function", "complaint"),
    [
        (np.tanh, "jax.numpy"),
        (lambda x: x if x > 0 else 0 * x, "jax.numpy"),
        (lambda x: x.sum(), "returns shape"),
        (lambda x: (x, x), "returns shape"),
        (jax.nn.softmax, "depends on the others"),
        (lambda x: x.astype(jnp.int32), "returns int32"),
        (lambda x: x + 1j, "returns complex128"),
        (lambda x: x.astype(jnp.float32), "returns float32"),
        (jnp.log, "must be finite"),
        (lambda x: jnp.sqrt(jnp.abs(x)), "derivative at 0"),
        (3.0, "is no function"),
    ],
)
def test_what_is_no_activation_gets_one_clear_error(function, complaint):
    with pytest.raises(DataError, match=complaint):
        adaptive(function, "mine")
