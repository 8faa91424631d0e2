"""Exponents: exact where they can be, and intervals that cover as often as they say."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from ntkbench.analysis.rates import QUANTITIES, architecture_name, convergence_rates, fit_exponent, fit_exponent_of_mean
from ntkbench.errors import NtkbenchError

STUDIES = 4000
QUICK = 32.0 * 4 ** np.arange(4)
FULL = 64.0 * 2 ** np.arange(7)
TRAINED = 64.0 * 2 ** np.arange(6)

# The coverage demanded is 93 %: fewer hits than AT_LEAST would leave it in doubt at the 1 % level.
AT_LEAST = binom.ppf(0.99, STUDIES, 0.93)
AT_MOST = binom.ppf(0.99, STUDIES, 0.97)


def draw_members(rng, widths, members, *, p, b, cv2, h):
    """Squares are gamma, of squared coefficient of variation ``cv2 (1 + h / n)``: skewed, and more so at small n."""
    spread = [cv2 * (1 + h / n) for n in widths]
    return [
        np.sqrt(rng.gamma(1 / s, s, (STUDIES, members))) * n**p * np.exp(b / n)
        for n, s in zip(widths, spread, strict=True)
    ]


@pytest.mark.parametrize(
    ("widths", "members", "p", "b", "cv2", "h", "tau", "bounded_above"),
    [
        pytest.param(QUICK, 8, -0.5, 1.6, 1.0, 30, 2, True, id="quickstart, 8 members"),
        pytest.param(QUICK, 8, -0.5, 0.0, 1.0, 0, 2, True, id="quickstart, no pre-asymptotic bias"),
        pytest.param(FULL, 20, -0.5, 2.4, 0.28, 60, 2, True, id="C2, relu, 7 widths, 20 members"),
        pytest.param(TRAINED, 20, -1.0, -13.0, 0.4, 0, 12, True, id="C4, erf, strong bias"),
        pytest.param(TRAINED, 20, -0.5, 0.0, 0.3, 10, 8, False, id="C7, allowed for a bias that is not there"),
    ],
)
def test_intervals_cover(widths, members, p, b, cv2, h, tau, bounded_above):
    rng = np.random.default_rng(2024)
    drawn = draw_members(rng, widths, members, p=p, b=b, cv2=cv2, h=h)
    fits = (fit_exponent(widths, [x[i] for x in drawn], correction=tau).interval() for i in range(STUDIES))
    hits = sum(low <= p <= high for low, high in fits)
    assert hits >= AT_LEAST
    assert not bounded_above or hits <= AT_MOST


def test_coverage_needs_the_correction():
    # The same simulation finds a rule that ignores the bias out.
    drawn = draw_members(np.random.default_rng(1), TRAINED, 20, p=-1.0, b=-13.0, cv2=0.4, h=0)
    fits = (fit_exponent(TRAINED, [x[i] for x in drawn]).interval() for i in range(500))
    assert sum(low <= -1 <= high for low, high in fits) < 0.8 * 500


def test_interval_is_little_wider_than_without_correction():
    drawn = draw_members(np.random.default_rng(7), FULL, 20, p=-0.5, b=1.2, cv2=0.18, h=30)
    studies = [[x[i] for x in drawn] for i in range(200)]
    widths = [[np.diff(fit_exponent(FULL, s, correction=tau).interval()) for s in studies] for tau in (0.0, 2.0)]
    assert np.median(widths[1]) < 1.15 * np.median(widths[0])
    assert np.median(widths[1]) < 0.1  # the band of C2


@pytest.mark.parametrize("tau", [0.0, 2.0])
def test_noiseless_power_law_is_recovered(tau):
    fit = fit_exponent(QUICK, [np.full(5, 3 * n**-0.5) for n in QUICK], correction=tau)
    assert fit.exponent == pytest.approx(-0.5, abs=1e-8)
    assert (fit.n_widths, fit.n_members) == (4, 5)
    assert "not a power law" not in fit.method
    if tau == 0:
        assert fit.interval() == pytest.approx((-0.5, -0.5), abs=1e-6)


def test_noiseless_correction_is_fitted_away():
    fit = fit_exponent(FULL, [np.full(5, 3 * n**-0.5 * np.exp(3 / n)) for n in FULL], correction=2.0)
    assert fit.exponent == pytest.approx(-0.5, abs=1e-6)


def test_scale_of_the_distance_does_not_matter():
    samples = [np.random.default_rng(int(n)).gamma(2, size=8) * n**-0.5 for n in QUICK]
    fit, scaled = fit_exponent(QUICK, samples), fit_exponent(QUICK, [1e-9 * x for x in samples])
    assert scaled.interval() == pytest.approx(fit.interval(), rel=1e-6)


def test_what_is_no_power_law_is_said_so():
    rng = np.random.default_rng(0)
    levels_off = [np.hypot(n**-0.5, 0.1) * (1 + 0.02 * rng.standard_normal(20)) for n in FULL]
    assert "not a power law" in fit_exponent(FULL, levels_off, correction=2.0).method


@pytest.mark.parametrize(
    ("widths", "samples", "why"),
    [
        ([64], [[1.0, 2.0]], "two widths"),
        ([], [], "two widths"),
        ([64, 128], [[1.0], [0.5]], "two members"),
        ([64, 128], [[1.0, np.nan], [0.5, np.inf]], "two members"),
        ([64, 128], [[1.0, 2.0], [0.0, 0.0]], "zero"),
    ],
)
def test_nothing_to_fit(widths, samples, why):
    fit = fit_exponent(widths, samples)
    assert np.isnan([fit.exponent, *fit.interval()]).all()
    assert why in fit.method


def test_nan_members_are_left_out_and_counted_out():
    samples = [np.array([1.0, 1.1, 0.9, 1.05]) * n**-0.5 for n in QUICK]
    samples[1] = np.append(samples[1][:3], np.nan)
    fit = fit_exponent(QUICK, samples)
    assert fit.n_members == 3
    assert fit.exponent == pytest.approx(-0.5, abs=0.05)


def test_one_zero_member_is_a_value():
    fit = fit_exponent(QUICK, [np.array([0.0, 1.0, 1.0, 1.0]) * n**-0.5 for n in QUICK])
    assert fit.exponent == pytest.approx(-0.5)


def test_an_outlier_widens_the_interval():
    samples = [np.random.default_rng(int(n)).gamma(9, size=8) * n**-0.5 for n in QUICK]
    spoilt = [*samples[:-1], np.append(samples[-1][:-1], 100 * samples[-1].max())]
    low, high = fit_exponent(QUICK, spoilt).interval()
    assert np.isfinite([low, high]).all()
    assert high - low > 5 * np.diff(fit_exponent(QUICK, samples).interval())
    assert low <= -0.5 <= high


def test_widths_below_the_correction_are_left_out():
    widths = [4, 64, 256, 1024]
    fit = fit_exponent(widths, [np.array([1.0, 1.2, 0.8]) * n**-0.5 for n in widths], correction=8.0)
    assert fit.n_widths == 3


def of_mean(d):
    """Value, standard error and floor (3, S) of the mean of differences d (S, E, M), as the metric computes them."""
    members, mean = d.shape[1], d.mean(axis=1)
    left_out = np.sqrt(np.mean(((members * mean[:, None] - d) / (members - 1)) ** 2, axis=-1))
    floor = np.sqrt(d.var(axis=1, ddof=1).mean(axis=-1) / members)
    return np.stack([np.sqrt(np.mean(mean**2, axis=-1)), np.sqrt((members - 1) * left_out.var(axis=1)), floor])


def draw_means(rng, widths, members, *, p, b, bias):
    """Members scatter as n^-1/2 about a bias; both along few directions of the 16 points."""
    scale = 1 / np.arange(1, 17.0)
    scale /= np.sqrt(np.mean(scale**2))
    direction = rng.standard_normal((STUDIES, 1, 16)) * scale
    direction /= np.sqrt(np.mean(direction**2, axis=-1, keepdims=True))
    bias_at = [bias * (n / 64) ** p * np.exp(b / n) * direction for n in widths]
    noise_at = [0.1 * (n / 64) ** -0.5 * scale * rng.standard_normal((STUDIES, members, 16)) for n in widths]
    return np.stack([of_mean(x + y) for x, y in zip(bias_at, noise_at, strict=True)], axis=-1)


@pytest.mark.parametrize(
    ("widths", "members", "p", "b", "bias", "found"),
    [
        pytest.param(TRAINED, 20, -1.0, 8.0, 0.5, 1.0, id="bias far above the floor"),
        pytest.param(QUICK, 8, -1.0, -4.0, 0.08, 0.5, id="bias near the floor"),
        pytest.param(QUICK, 8, -1.0, 0.0, 0.0, 0.0, id="no bias"),
    ],
)
def test_intervals_of_the_mean_cover(widths, members, p, b, bias, found):
    drawn = draw_means(np.random.default_rng(5), widths, members, p=p, b=b, bias=bias)
    fits = [fit_exponent_of_mean(widths, *drawn[:, i], members=members, correction=12.0) for i in range(STUDIES)]
    intervals = np.array([fit.interval() for fit in fits])
    nothing = np.isnan(intervals[:, 0])
    hits = nothing | ((intervals[:, 0] <= p) & (p <= intervals[:, 1]))
    assert hits.sum() >= AT_LEAST
    assert (~nothing).mean() >= found
    assert found or nothing.mean() > 0.8  # where there is no bias, hardly ever an exponent


def test_sampling_noise_is_no_rate():
    # The raw distance of a mean without bias falls as n^-1/2; taken for an exponent it would refute C7.
    values = [0.1 * n**-0.5 for n in QUICK]
    fit = fit_exponent_of_mean(QUICK, values, [0.4 * v for v in values], values, members=8)
    assert np.isnan([fit.exponent, *fit.interval()]).all()
    assert "sampling floor" in fit.method


def test_noiseless_bias_is_recovered():
    fit = fit_exponent_of_mean(QUICK, 5 / QUICK, 1e-6 / QUICK, 1e-6 / QUICK, members=8, correction=0.0)
    assert fit.exponent == pytest.approx(-1)
    low, high = fit.interval()
    assert -1.01 <= low <= -1 <= high <= -0.99


def test_a_bias_seen_at_one_width_bounds_one_side():
    fit = fit_exponent_of_mean(QUICK, [1.0, 0.1, 0.1, 0.1], [0.05] * 4, [0.1] * 4, members=10)
    low, high = fit.interval()
    assert low == -np.inf
    assert high < 0


@pytest.mark.parametrize("values", [[], [1.0], [np.nan, 1.0], [0.0, 0.0]])
def test_mean_with_nothing_to_fit(values):
    fit = fit_exponent_of_mean(QUICK[: len(values)], values, values, values, members=8)
    assert np.isnan([fit.exponent, *fit.interval()]).all()


ARCHITECTURE = {"activation": "relu", "depth": 2, "weight_std": 2**0.5, "bias_std": 0.1, "parameterization": "ntk"}


def test_architecture_name():
    assert architecture_name(ARCHITECTURE) == "relu, depth 2, weight_std 1.414, bias_std 0.1"
    other = ARCHITECTURE | {"parameterization": "standard", "output_scale": 2.0, "trained_layers": "last"}
    assert architecture_name(other).endswith("bias_std 0.1, standard, output_scale 2, trained layers: last")


def make_results(*, splits=(0, 1), widths=(32, 128, 512), members=6, status="ok"):
    """Distances n^-1/2 at every step but twice that at step 1; the kernel's change n^-1; the mean's bias n^-1."""
    cells, rows = [], []
    for width in widths:
        for split in splits:
            cell = {"run_id": "r", "cell_id": f"{width}-{split}", "split_index": split}
            facts = {"study": "s", "task": "t", "label": "network", "role": "subject", "status": status}
            cells.append(cell | facts | ARCHITECTURE | {"width": width, "members": members})
            rows += [cell | row for row in make_rows(width, members)]
    cells.append(cells[0] | {"cell_id": "ntk", "role": "reference", "label": "ntk", "width": None})
    measurements = pd.DataFrame(rows).astype({"member": "Int64", "step": "Int64"})
    return SimpleNamespace(cells=pd.DataFrame(cells).astype({"width": "Int64"}), measurements=measurements)


def make_rows(n, members):
    def row(metric, split, member, step, value, reference="ntk"):
        where = {"member": member, "step": step, "time": 0.1 * step, "component": None}
        return {"metric": metric, "split": split, "reference": reference, "value": value, **where}

    for k in range(members):
        x = 1 + 0.1 * np.cos(k)
        yield row("ntk_distance_frobenius", "train", k, 0, x * n**-0.5)
        yield row("ntk_distance_frobenius", "train", k, 2, 1.0)
        yield row("ntk_change_frobenius", "train", k, 0, 0.0, None)
        yield row("ntk_change_frobenius", "train", k, 2, x / n, None)
        for step in (0, 1, 2):
            yield row("function_distance", "test", k, step, (0, 2, 1)[step] * x * n**-0.5)
    yield row("function_distance_of_mean", "test", None, 2, 1.0 / n)
    yield row("function_distance_of_mean_standard_error", "test", None, 2, 1e-4 / n)
    yield row("function_distance_of_mean_floor", "test", None, 2, 1e-4 / n)


def test_convergence_rates():
    rates = convergence_rates(make_results())
    columns = "task architecture label reference metric exponent ci_low ci_high n_widths n_members method"
    assert list(rates.columns) == columns.split()
    found = rates.set_index("metric")
    assert set(found.index) == set(QUANTITIES) - {"ntk_distance_operator"}
    for metric, exponent in {
        "ntk_distance_frobenius": -0.5,
        "function_distance": -0.5,
        "function_distance_max": -0.5,
        "ntk_change_frobenius": -1,
        "function_distance_of_mean": -1,
    }.items():
        row = found.loc[metric]
        assert row["exponent"] == pytest.approx(exponent, abs=1e-6)
        assert row["ci_low"] <= exponent <= row["ci_high"]
        assert (row["n_widths"], row["n_members"]) == (3, 6)
        assert (row["label"], row["task"]) == ("network", "t")
    assert found["reference"].isna().to_dict() == {m: m == "ntk_change_frobenius" for m in found.index}


def test_splits_share_members():
    one, two = (convergence_rates(make_results(splits=s)) for s in ((0,), (0, 1)))
    pd.testing.assert_frame_equal(one, two)  # the same numbers twice are no more replicates


def test_diverged_members_are_counted_out():
    results = make_results()
    rows = results.measurements
    diverged = (rows["cell_id"] == "128-1") & (rows["member"] == 3) & (rows["step"] > 0)
    results.measurements = rows[~diverged.fillna(False)]
    found = convergence_rates(results).set_index("metric")["n_members"]
    assert found["function_distance"] == found["function_distance_max"] == found["ntk_change_frobenius"] == 5
    assert found["function_distance_of_mean"] == 5
    assert found["ntk_distance_frobenius"] == 6  # at initialization it had not diverged yet


def test_variants_of_a_task_are_kept_apart():
    small, large = make_results(splits=(0,)), make_results(splits=(0,))
    for n, results in ((16, small), (64, large)):
        results.cells["task_params_json"] = f'{{"n_train":{n}}}'
        results.cells["cell_id"] += f"-{n}"
        results.measurements["cell_id"] += f"-{n}"
    both = SimpleNamespace(
        cells=pd.concat([small.cells, large.cells], ignore_index=True),
        measurements=pd.concat([small.measurements, large.measurements], ignore_index=True),
    )
    rates = convergence_rates(both, "function_distance")
    assert list(rates["task"]) == ['t {"n_train":16}', 't {"n_train":64}']


def test_no_usable_cells_give_an_empty_table():
    full = make_results()
    empty = SimpleNamespace(cells=full.cells.iloc[:0], measurements=full.measurements.iloc[:0])
    for results in (make_results(status="failed"), empty):
        rates = convergence_rates(results)
        assert rates.empty
        assert "exponent" in rates


def test_unequal_widths_are_no_point_of_a_fit():
    results = make_results(splits=(0,))
    results.cells["widths"] = [[32, 32], [128, 512], [512, 512], None]
    assert (convergence_rates(results)["n_widths"] == 2).all()


def test_one_metric_or_several():
    assert list(convergence_rates(make_results(), "function_distance")["metric"]) == ["function_distance"]
    assert len(convergence_rates(make_results(), ["function_distance", "ntk_change_frobenius"])) == 2
    with pytest.raises(NtkbenchError, match="choose from"):
        convergence_rates(make_results(), "rmse")
