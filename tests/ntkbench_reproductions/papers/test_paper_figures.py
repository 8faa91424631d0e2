"""The studies named after the papers' figures: valid at both sizes, and what their figures show is in the tables."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import ntkbench
from ntkbench.analysis.report.report import analyse
from ntkbench.api.run import Options, plan_study
from ntkbench.cli.tables import show_comparisons
from ntkbench.errors import StoreError
from ntkbench.plugin.specs import import_target
from ntkbench.study.load import Overrides
from ntkbench_jax import analytic_kernels
from ntkbench_reproductions.papers import j18, l19
from ntkbench_uci.component import load
from ntkbench_uci.parameters import Component

FIGURES = {
    "j18-fig1": "kernel_slice",
    "j18-fig2": "function_law",
    "j18-fig3": "component_path",
    "l19-fig1": "change_by_width",
    "l19-fig4": "linearized_training",
}
TINY = {
    "j18-fig2": {"task.n_test": 16, "training.steps": 40, "training.records": 2},
    "j18-fig3": {"task.n_train": 20, "task.n_test": 10, "training.steps": 20, "training.records": 5},
    "l19-fig1": {"task.n_train": 20, "task.n_test": 10, "training.steps": 5},
    "l19-fig4": {"task.n_train": 20, "task.n_test": 10, "training.steps": 10, "training.records": 5},
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Return a function that runs a study once, very small, and returns its results."""
    found = {}

    def run(name, widths=(16, 32)):
        if (name, widths) not in found:
            out = tmp_path_factory.mktemp(name) / "run"
            options = {"widths": widths, "members": 3, "set": TINY[name], "executor": "inline"}
            found[name, widths] = ntkbench.run(name, out=out, **options)
        return found[name, widths]

    return run


def labelled(figure):
    """Return whether every panel says what is on its axes; one that shares its y axis leaves it to the first."""
    shared = len({axes.get_ylim() for axes in figure.axes}) == 1
    return all(axes.get_xlabel() and (axes.get_ylabel() or shared) for axes in figure.axes)


def line(axes, label):
    found = [one for one in axes.get_lines() if one.get_label() == label]
    assert len(found) == 1
    return np.asarray(found[0].get_xdata(), dtype=float), np.asarray(found[0].get_ydata(), dtype=float)


@pytest.mark.parametrize("size", ["small", "full"])
@pytest.mark.parametrize("name", FIGURES)
def test_a_study_is_valid_and_names_its_figure(name, size):
    plan, _ = plan_study(name, Overrides(size=size), Options())
    assert plan.study.study.title and plan.study.study.description
    assert [cell.skip for cell in plan.cells] == [None] * len(plan.cells)
    (figure,) = plan.study.study.figures
    assert figure.endswith(f":{FIGURES[name]}")
    assert callable(import_target(figure))


def test_the_full_size_has_the_papers_settings():
    widths = {"j18-fig1": {500, 10000}, "j18-fig2": {50, 1000}, "j18-fig3": {100, 1000, 10000}}
    for name, expected in widths.items():
        plan, _ = plan_study(name, Overrides(size="full"), Options())
        subjects = [cell for cell in plan.cells if cell.role == "subject"]
        assert {cell.width for cell in subjects} == expected
        assert {cell.members for cell in subjects} == {10}
        assert {cell.architecture.bias_std for cell in subjects} == {0.1}


@pytest.mark.parametrize("name", TINY)
def test_a_run_draws_its_figure_with_labelled_axes(name, tiny):
    results = tiny(name)
    folder = results.paths[0] / "figures"
    assert (folder / f"{FIGURES[name]}.png").stat().st_size > 10_000
    assert (folder / f"{FIGURES[name]}.svg").exists()
    assert labelled(getattr(j18 if name.startswith("j18") else l19, FIGURES[name])(results))


def test_the_band_of_figure_2_holds_four_fifths_of_the_law(tiny):
    results = tiny("j18-fig2")
    figure = j18.function_law(results)
    law = results.predictions[results.predictions["variance"].notna() & results.predictions["reference"].isna()]
    law = law[law["cell_id"].isin(results.cells.loc[results.cells["role"] == "reference", "cell_id"])]
    law = law[law["time"] == law["time"].max()].sort_values("point")
    mean, spread = law["value"].to_numpy(), np.sqrt(law["variance"].to_numpy())
    np.testing.assert_array_equal(line(figure.axes[0], "limit: median")[1][:-1], mean)
    edges = [np.asarray(one.get_ydata())[:-1] for one in figure.axes[0].get_lines() if one.get_linestyle() == ":"]
    np.testing.assert_allclose(stats.norm.cdf(edges, mean, spread), [[0.1] * 16, [0.9] * 16], rtol=1e-9)


def test_figure_3_is_the_path_of_f_split_along_the_component_and_across_it(tiny):
    """Held against outputs of the same networks, projected with numpy's own eigenvector."""
    from ntkbench_torch import NetworkEnsemble

    results = tiny("j18-fig3")
    figure = j18.component_path(results)
    cell = results.cells[results.cells["width"] == 32].iloc[0]
    architecture = ntkbench.Architecture(depth=3, activation="relu", weight_std=1.0, bias_std=0.1)
    problem = load(Component(n_train=20, n_test=10, standardise=False), 0, 0)
    eigenvalues, v = np.linalg.eigh(np.array(analytic_kernels(problem.x_train, architecture=architecture).ntk))
    ensemble = NetworkEnsemble(architecture, in_features=64, out_features=1, width=32, members=3, seed=0)
    y = problem.y_train + ensemble.outputs(problem.x_train).double().numpy()  # h - h_0 towards y is h towards y + h_0
    rates = {"learning_rate": float(cell["learning_rate"]), "steps": 20}
    left = np.stack(
        [_residuals(architecture, problem.x_train, target, member, rates) for member, target in enumerate(y)]
    )
    along = np.abs(left @ v[:, -2]) / np.sqrt(20)
    across = np.sqrt(np.square(left).mean(axis=-1) - along**2)
    label = "n = 32, 3 networks"
    np.testing.assert_allclose(line(figure.axes[1], label)[1], np.median(along, axis=0), atol=2e-6)
    np.testing.assert_allclose(line(figure.axes[0], label)[1], np.median(across, axis=0), atol=2e-5)
    times, limit = line(figure.axes[1], "limit, n = ∞")
    np.testing.assert_allclose(times, rates["learning_rate"] * np.arange(0, 21, 4), rtol=1e-12)
    expected = 0.5 * (1 - rates["learning_rate"] * eigenvalues[-2] / 20) ** np.arange(0, 21, 4)
    np.testing.assert_allclose(limit, expected, rtol=1e-9)


def _residuals(architecture, x, target, member, rates):
    """Return what is left of the target (T, N) by plain training of one member."""
    from ntkbench_torch import NetworkEnsemble

    one = NetworkEnsemble(
        architecture, in_features=64, out_features=1, width=32, members=1, first_member=member, seed=0
    )
    path = one.train(x, target, record_at=range(0, 21, 4), **rates)
    return target[:, 0] - path.outputs[0, :, :, 0].double().numpy()


def test_the_exponents_in_figure_l19_1_are_those_of_the_table(tiny):
    results = tiny("l19-fig1")
    rates = ntkbench.convergence_rates(results, metric="weight_change_middle")
    labels = [text.get_text() for text in l19.change_by_width(results).axes[0].get_legend().get_texts()]
    assert any(label.startswith(f"middle weights: {rates['exponent'].iloc[0]:.2f} ") for label in labels)


def test_the_linearization_drawn_is_that_of_the_network_beside_it(tiny):
    """Both start at the same outputs, and their distance is the one the network's own observable has measured."""
    results = tiny("l19-fig4")
    own = results.predictions[results.predictions["reference"].isna() & results.predictions["member"].notna()]
    rows = own[own["split"] == "test"].merge(results.cells[["cell_id", "label", "width"]], on="cell_id")
    table = rows.pivot_table(index=["width", "member", "step", "point"], columns="label", values="value")
    apart = (table["network"] - table["linearization"]).pow(2).groupby(["width", "member", "step"]).mean() ** 0.5
    assert apart.xs(0, level="step").max() < 1e-6
    seen = results.measurements[results.measurements["metric"] == "linearization_distance"]
    seen = seen[seen["split"] == "test"].merge(results.cells[["cell_id", "width"]], on="cell_id")
    expected = seen.set_index(["width", "member", "step"])["value"]
    np.testing.assert_allclose(apart.loc[expected.index], expected, atol=2e-5)


def test_a_table_of_bounds_alone_is_shown(tiny, capsys):
    """The change of a ReLU network's kernel has a bound and no lower end of a band, in every row of this study."""
    show_comparisons(analyse(tiny("j18-fig3", widths=(16, 24, 32))))
    assert "at most -0.5" in capsys.readouterr().out


def slices(members=2, points=8):
    """Return results of kernel slices alone: cos g + member + t / 10 of networks, cos g of the limit."""
    grid = np.cos(-np.pi + 2 * np.pi * np.arange(points) / points)
    cells = pd.DataFrame({"cell_id": ["r", "a", "b"], "role": ["reference", "subject", "subject"]})
    cells = cells.assign(label=["ntk", "network", "network"], width=pd.array([None, 4, 16], dtype="Int64"))
    rows = [("r", None, 0.0, j, grid[j]) for j in range(points)]
    for cell in ("a", "b"):
        rows += [
            (cell, k, t, j, grid[j] + k + t / 10) for k in range(members) for t in (0.0, 2.0) for j in range(points)
        ]
    measurements = pd.DataFrame(rows, columns=["cell_id", "member", "time", "component", "value"])
    measurements["member"] = measurements["member"].astype("Int64")
    return SimpleNamespace(cells=cells, measurements=measurements.assign(metric="ntk_slice", split="test"))


def test_figure_1_draws_every_network_at_both_times_and_the_limit():
    figure = j18.kernel_slice(slices())
    assert labelled(figure)
    assert [axes.get_title() for axes in figure.axes] == ["n = 4, 2 networks", "n = 16, 2 networks"]
    for axes in figure.axes:
        angles, limit = line(axes, "limit Θ, n = ∞")
        np.testing.assert_allclose(limit, np.cos(angles), atol=1e-14)
        offsets = sorted(round(float(np.mean(one.get_ydata() - limit)), 10) for one in axes.get_lines())
        assert offsets == [0.0, 0.0, 0.2, 1.0, 1.2]
    assert {text.get_text() for text in figure.legends[0].get_texts()} >= {"networks, t = 0", "networks, t = 2"}


@pytest.mark.parametrize("draw", [j18.kernel_slice, j18.component_path, l19.change_by_width])
def test_a_missing_metric_is_named(draw, tiny):
    with pytest.raises(StoreError, match=r"no rows of (ntk_slice|kernel_residual|weight_change_relative)"):
        draw(tiny("j18-fig2") if draw is not j18.component_path else _with_component(tiny("j18-fig2")))


def _with_component(results):
    cells = results.cells.assign(task_params_json='{"component": 2}')
    return SimpleNamespace(cells=cells, measurements=results.measurements)
