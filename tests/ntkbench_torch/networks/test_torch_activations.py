"""Every activation against 40-digit values, autograd of another formulation, and expectations of the kernel side."""

import subprocess
import sys

import mpmath as mp
import numpy as np
import pytest
import torch

from ntkbench import Architecture
from ntkbench.errors import DataError
from ntkbench.theory.activations import CATALOGUE
from ntkbench_jax.kernels.analytic import kernel_diagonal
from ntkbench_torch.names import unsupported_activation
from ntkbench_torch.networks.activations import find_activation

SELU_ALPHA, SELU_SCALE = mp.mpf("1.6732632423543772848170429916717"), mp.mpf("1.0507009873554804934193349852946")
SIGMOID_SCALE = mp.mpf("2.4020563531719796")
EPS = {torch.float64: 2.0**-52, torch.float32: 2.0**-23}


def positive(x):
    return x if x > 0 else mp.mpf(0)


def sigmoid(x):
    return 1 / (1 + mp.exp(-x))


def elu(x):
    return x if x > 0 else mp.expm1(x)


def mish(x):
    return x * mp.tanh(mp.log1p(mp.exp(x)))


def log_cosh(x):
    return abs(x) + mp.log1p(mp.exp(-2 * abs(x))) - mp.log(2)


TRUTHS = {
    "relu": positive,
    "leaky_relu(slope=0.1)": lambda x: x if x > 0 else mp.mpf(0.1) * x,
    "leaky_relu(slope=-0.3)": lambda x: x if x > 0 else mp.mpf(-0.3) * x,
    "abs": abs,
    "step": lambda x: mp.mpf(x > 0),
    "rectified_monomial(degree=0)": lambda x: mp.mpf(x > 0),
    "rectified_monomial(degree=1)": positive,
    "rectified_monomial(degree=2)": lambda x: positive(x) ** 2,
    "rectified_monomial(degree=3)": lambda x: positive(x) ** 3,
    "identity": lambda x: x,
    "monomial(degree=0)": lambda x: mp.mpf(1),
    "monomial(degree=3)": lambda x: x**3,
    "monomial(degree=6)": lambda x: x**6,
    "polynomial(coefficients=[0.7])": lambda x: mp.mpf(0.7),
    "polynomial(coefficients=[0.5, -1.0, 0.0, 0.25])": lambda x: 0.5 - x + x**3 / 4,
    "hermite(degree=0)": lambda x: mp.mpf(1),
    "hermite(degree=1)": lambda x: x,
    "hermite(degree=3)": lambda x: (x**3 - 3 * x) / mp.sqrt(6),
    "hermite(degree=5)": lambda x: (x**5 - 10 * x**3 + 15 * x) / mp.sqrt(120),
    "erf": mp.erf,
    "erf_sigmoid": lambda x: (1 + mp.erf(x / SIGMOID_SCALE)) / 2,
    "gelu": lambda x: x * mp.ncdf(x),
    "sin": mp.sin,
    "cos": mp.cos,
    "rbf(gamma=0.5)": lambda x: mp.sqrt(2) * mp.sin(x + mp.pi / 4),
    "rbf(gamma=1.7)": lambda x: mp.sqrt(2) * mp.sin(mp.sqrt(2 * mp.mpf(1.7)) * x + mp.pi / 4),
    "exp": mp.exp,
    "gaussian": lambda x: mp.exp(-(x**2)),
    "arctan": mp.atan,
    "celu": elu,
    "elu": elu,
    "log_cosh": log_cosh,
    "mish": mish,
    "selu": lambda x: SELU_SCALE * (x if x > 0 else SELU_ALPHA * mp.expm1(x)),
    "sigmoid": sigmoid,
    "silu": lambda x: x * sigmoid(x),
    "softplus": lambda x: mp.log1p(mp.exp(x)),
    "softsign": lambda x: x / (1 + abs(x)),
    "swish": lambda x: x * sigmoid(x),
    "tanh": mp.tanh,
}
AT_ZERO = {"leaky_relu(slope=0.1)": 0.1, "leaky_relu(slope=-0.3)": -0.3, "selu": float(SELU_SCALE * SELU_ALPHA)}
KINKED = ("relu", "leaky_relu", "abs", "step", "rectified_monomial(degree=0)", "rectified_monomial(degree=1)", "selu")
WORSE_VALUE = {("gelu", torch.float32): 5}  # documented: torch's own 1 + erf cancels for negative z
WORSE_SLOPE = {"silu": 20, "swish": 20, "mish": 20}  # documented: z times a rounding of the sigmoid


def grid():
    extremes = [1e-9, 1e-3, 18.5, 36.7, 40.0, 700.0]
    points = np.concatenate([np.linspace(-12, 12, 97), extremes, np.negative(extremes)])
    return torch.from_numpy(np.sort(points))


def evaluated(name, z, given=True):
    """phi and phi', with ``units`` in rows of a wider tensor, as in a network."""
    activation = find_activation(name)
    units, slope = z.new_zeros(2, len(z) + 1)[:, :-1], z.repeat(2, 1)
    activation.apply(slope, units)
    assert torch.equal(slope, z.repeat(2, 1))
    before = units.clone()
    activation.differentiate(slope, units if given else None)
    assert torch.equal(units, before)
    for part in (units, slope):  # vectors and single numbers may round differently
        torch.testing.assert_close(part[0], part[1], rtol=0, atol=8 * torch.finfo(z.dtype).eps, equal_nan=False)
    return units[0], slope[0]


def slope_of(truth, x):
    """By central differences in 120 digits: exact to 40."""
    with mp.workdps(120):
        step = mp.mpf(10) ** -45
        return (truth(x + step) - truth(x - step)) / (2 * step)


def roundings(numbers, truths, conditions, dtype):
    """Errors in units of eps times max(1, |truth|, |condition|)."""
    return max(
        float(abs(mp.mpf(float(number)) - truth) / max(1, abs(truth), abs(condition))) / EPS[dtype]
        for number, truth, condition in zip(numbers, truths, conditions, strict=True)
    )


def effects_of_a_rounding(name, function, points):
    """|x f'(x)| where a rounding of x cannot be avoided: of sqrt(2 gamma) x, and where Hermite's terms cancel."""
    return [x * slope_of(function, x) if name.startswith(("rbf", "hermite")) else mp.mpf(0) for x in points]


@pytest.mark.parametrize("dtype", EPS, ids=str)
@pytest.mark.parametrize("name", TRUTHS)
def test_values_and_derivatives_are_exact_to_rounding(name, dtype):
    truth, z = TRUTHS[name], grid().to(dtype)
    if name.startswith(KINKED):
        z = z[z != 0]
    if name == "exp":
        z = z[z < (700.5 if dtype is torch.float64 else 88)]
    value, slope = evaluated(name, z)
    with mp.workdps(60):
        points = [mp.mpf(float(x)) for x in z]
        values, slopes = [truth(x) for x in points], [slope_of(truth, x) for x in points]
        first = effects_of_a_rounding(name, truth, points)
        second = effects_of_a_rounding(name, lambda x: slope_of(truth, x), points)
        assert roundings(value, values, first, dtype) < WORSE_VALUE.get((name, dtype), 1.5)
        assert roundings(slope, slopes, second, dtype) < WORSE_SLOPE.get(name, 2 if name.startswith("rbf") else 1.5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", TRUTHS)
def test_strided_tensors_are_written(name, dtype):
    z = torch.linspace(-3, 3, 24, dtype=dtype).view(2, 12)
    activation, expected = find_activation(name), evaluated(name, z.flatten())
    room, units = torch.full((2, 20), 7.0, dtype=dtype), torch.full((12, 2), 7.0, dtype=dtype).mT
    strided = room[:, :12]
    strided.copy_(z)
    activation.apply(strided, units)
    activation.differentiate(strided, units)
    for got, flat in zip((units, strided), expected, strict=True):
        torch.testing.assert_close(got.flatten(), flat, rtol=8 * EPS[dtype], atol=8 * EPS[dtype])
    assert bool((room[:, 12:] == 7).all())


@pytest.mark.parametrize("name", TRUTHS)
def test_at_zero_and_without_units_at_hand(name):
    z = torch.tensor([0.0, -0.0, 0.7, -0.4], dtype=torch.float64)
    value, slope = evaluated(name, z)
    with mp.workdps(60):
        kinked = name.startswith(KINKED)
        expected = AT_ZERO.get(name, 0.0) if kinked else float(slope_of(TRUTHS[name], mp.mpf(0)))
        assert value[:2].tolist() == pytest.approx([float(TRUTHS[name](mp.mpf(0)))] * 2, abs=1e-16)
    assert slope[:2].tolist() == pytest.approx([expected] * 2, rel=4e-16, abs=1e-16)
    again = evaluated(name, z, given=False)[1]
    assert torch.equal(again, slope)


@pytest.mark.parametrize("name", TRUTHS)
def test_half_precision_runs(name):
    z = torch.linspace(-3, 3, 31, dtype=torch.bfloat16)
    value, slope = evaluated(name, z)
    reference = evaluated(name, z.double())
    for got, expected in zip((value, slope), reference, strict=True):
        size = expected.abs().clamp_min(1)
        assert float(((got.double() - expected).abs() / size).max()) < 0.2  # 2^-8 per operation, with cancellation


def test_log_cosh_keeps_its_digits_at_small_inputs():
    z = torch.tensor([1e-9, -1e-5, 1e-3], dtype=torch.float64)
    value, _ = evaluated("log_cosh", z)
    with mp.workdps(60):
        for x, got in zip(z.tolist(), value.tolist(), strict=True):
            assert abs(got - log_cosh(mp.mpf(x))) <= EPS[torch.float64] * abs(x)


AUTOGRAD = {
    "relu": torch.nn.functional.relu,
    "leaky_relu(slope=0.2)": lambda x: torch.nn.functional.leaky_relu(x, 0.2),
    "abs": torch.abs,
    "erf": lambda x: 1 - torch.special.erfc(x),
    "gelu": lambda x: x * torch.special.ndtr(x),
    "tanh": lambda x: 2 * torch.sigmoid(2 * x) - 1,
    "sigmoid": lambda x: (1 + torch.tanh(x / 2)) / 2,
    "silu": lambda x: x / (1 + torch.exp(-x)),
    "mish": lambda x: x * torch.tanh(torch.log1p(torch.exp(x))),
    "softplus": lambda x: torch.logaddexp(x, torch.zeros_like(x)),
    "log_cosh": lambda x: torch.log(torch.cosh(x)),
    "elu": lambda x: torch.where(x > 0, x, torch.expm1(x)),
    "selu": torch.nn.functional.selu,
    "softsign": lambda x: x / (1 + x.abs()),
}


@pytest.mark.parametrize("name", AUTOGRAD)
def test_derivatives_are_those_of_autograd_of_another_formulation(name):
    x = torch.linspace(-8, 8, 201, dtype=torch.float64).requires_grad_()
    value = AUTOGRAD[name](x)
    (slope,) = torch.autograd.grad(value.sum(), x)
    got = evaluated(name, x.detach())
    torch.testing.assert_close(got, (value.detach(), slope), rtol=2e-15, atol=8e-15)


def gaussian_mean(function, deviation):
    """E[function(deviation g)], panel by panel, so that a kink at 0 is harmless."""
    nodes, weights = np.polynomial.legendre.leggauss(24)
    edges = np.arange(-14.0, 14.0)
    g = (edges[:, None] + (1 + nodes) / 2).ravel()
    density = np.exp(-(g**2) / 2) / np.sqrt(2 * np.pi) * np.tile(weights / 2, len(edges))
    return float(function(torch.from_numpy(deviation * g)).numpy() @ density)


@pytest.mark.parametrize("name", TRUTHS)
def test_networks_and_kernels_mean_the_same_function(name):
    architecture = Architecture(depth=1, activation=name, weight_std=0.9, bias_std=0.3)
    x = np.array([[0.3, -0.2, 0.1], [1.0, 0.5, -2.0], [0.0, 0.0, 0.0]])
    kernels = kernel_diagonal(x, architecture=architecture)
    for point, nngp, ntk in zip(x, kernels.nngp, kernels.ntk, strict=True):
        first = 0.9**2 * point @ point / 3 + 0.3**2
        activation, slope = (
            gaussian_mean(lambda z, part=part: evaluated(name, z)[part] ** 2, np.sqrt(first)) for part in (0, 1)
        )
        second = 0.9**2 * activation + 0.3**2
        assert second == pytest.approx(nngp, rel=1e-13)
        assert second + 0.9**2 * first * slope == pytest.approx(ntk, rel=1e-13)


def test_every_name_of_the_catalogue_is_here():
    for name in CATALOGUE:
        assert unsupported_activation(name) is None
        assert find_activation(name).name.startswith(name)
        assert any(tested.partition("(")[0] == name for tested in TRUTHS)


def test_one_spelling_is_one_hashable_object():
    assert find_activation("leaky_relu(slope = 0.01)") is find_activation("leaky_relu")
    assert find_activation("leaky_relu(slope=0.2)") != find_activation("leaky_relu")
    assert len({find_activation("tanh"), find_activation("tanh"), find_activation(torch.sinh)}) == 2


@pytest.mark.parametrize(
    ("spelling", "message"),
    [
        ("rellu", 'did you mean "relu"'),
        ("tanh(scale=2.0)", '"tanh" has no parameter scale; it has none'),
        ("leaky_relu(slop=0.1)", "no parameter slop"),
        ("rectified_monomial(degree=4)", "expected 0 to 3"),
        ("relu(", "not of the form"),
    ],
)
def test_mistakes_in_a_spelling_are_named(spelling, message):
    assert message in unsupported_activation(spelling)
    with pytest.raises(DataError, match=message.replace("(", r"\(")):
        find_activation(spelling)


def cube_plus(x):
    return x + 0.1 * x**3


@pytest.mark.parametrize("activation", [cube_plus, "test_torch_activations:cube_plus"])
def test_functions_of_the_users_own(activation, monkeypatch):
    monkeypatch.setitem(sys.modules, "test_torch_activations", sys.modules[__name__])
    assert unsupported_activation(activation) is None
    z = torch.linspace(-2, 2, 21, dtype=torch.float64)
    value, slope = evaluated(activation, z)
    torch.testing.assert_close(value, z + 0.1 * z**3, rtol=1e-15, atol=0)
    torch.testing.assert_close(slope, 1 + 0.3 * z**2, rtol=1e-15, atol=0)
    assert evaluated(activation, z.float())[1].dtype is torch.float32


def test_functions_work_where_gradients_are_off_and_leave_no_graph():
    with torch.no_grad():
        value, slope = evaluated(torch.nn.Softsign(), torch.tensor([1.0, -3.0]))
    assert value.tolist() == [0.5, -0.75]
    assert slope.tolist() == [0.25, 0.0625]
    assert not value.requires_grad
    assert not slope.requires_grad


def test_a_step_of_the_users_own_has_slope_zero():
    value, slope = evaluated(lambda x: (x > 0).to(x.dtype), torch.tensor([2.0, -1.0, 0.0]))
    assert value.tolist() == [1, 0, 0]
    assert slope.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (3.0, "a float, not a function"),
        (lambda x: x.sum(), "returns shape"),
        (lambda x: x.tolist(), "returns a list"),
        (lambda x: x.double() if x.dtype is torch.float32 else x.float(), "must keep the type"),
        (lambda x: torch.softmax(x, 0), "depends on the others"),
        (lambda x: x - x.mean(), "depends on the others"),
        (torch.log, "must be finite"),
        (torch.sqrt, "must be finite"),
        (lambda x: x.undefined(), "fails on a tensor .AttributeError"),
        (lambda x: x.relu_(), "writes on its input"),
        (lambda x: x.detach() ** 2 + x.detach(), "its value changes"),
        (lambda x: torch.from_numpy(np.tanh(x.numpy())), "torch cannot differentiate it"),
        ("torch:no_such_function", "cannot be imported"),
        ("no_such_module:phi", "cannot be imported"),
        ("torch:pi", "a float, not a function"),
    ],
)
def test_mistakes_in_a_function_are_named(function, message):
    with pytest.raises(DataError, match=message):
        find_activation(function)


def test_names_are_light():
    code = "import sys, ntkbench_torch.names; print('torch' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", TRUTHS)
def test_the_same_on_a_gpu(name):
    z = grid()[(grid().abs() < 30)]
    on_gpu = evaluated(name, z.cuda())
    torch.testing.assert_close(tuple(part.cpu() for part in on_gpu), evaluated(name, z), rtol=1e-13, atol=1e-14)
