"""Registers the synthetic tasks, without importing the code that computes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ntkbench.plugin import Sizes, TaskSpec, hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable

SPLITS = 2**31 - 1
_LICENCE = "MIT (generated)"
_J18 = (
    "Jacot, Gabriel, Hongler (2018). Neural Tangent Kernel: Convergence and Generalization in Neural Networks. "
    "NeurIPS 31. arXiv:1806.07572"
)
_L18 = "Lee et al. (2018). Deep Neural Networks as Gaussian Processes. ICLR. arXiv:1711.00165"
_BASRI = (
    "Basri, Jacobs, Kasten, Kritchman (2019). The Convergence Rate of Neural Networks for Learned Functions of "
    "Different Frequencies. NeurIPS 32. arXiv:1906.00425"
)
_ATKINSON_HAN = (
    "Atkinson, Han (2012). Spherical Harmonics and Approximations on the Unit Sphere: An Introduction. "
    "Springer LNM 2044. doi:10.1007/978-3-642-25983-8"
)


def _no_data(parameters: Any) -> str:
    return ""


def _in_1d(parameters: Any) -> Sizes:
    return Sizes(parameters.n_train, parameters.n_test, 1, 1, SPLITS)


def _in_2d(parameters: Any) -> Sizes:
    return Sizes(parameters.n_train, parameters.n_test, 2, 1, SPLITS)


def _by_dimension(parameters: Any) -> Sizes:
    outputs = getattr(parameters, "outputs", 1)
    return Sizes(parameters.n_train, parameters.n_test, parameters.dimension, outputs, SPLITS)


def _task(
    name: str, model: str, target: str, sizes: Callable[[Any], Sizes], *, version: int = 1, **about: Any
) -> TaskSpec:
    """Return the spec of a task that its parameters and seed determine, with inputs that must not be standardised."""
    return TaskSpec(
        name=f"synthetic/{name}",
        version=version,
        parameters=f"ntkbench_synthetic.parameters:{model}",
        target=f"ntkbench_synthetic.{target}",
        sizes=sizes,
        fingerprint=_no_data,
        standardise_inputs=False,
        standardise_targets=False,
        licence=_LICENCE,
        **about,
    )


@hookimpl
def ntkbench_register_tasks() -> list[TaskSpec]:
    """Return the synthetic tasks."""
    return [*_of_one_angle_or_number(), *_in_any_dimension()]


def _of_one_angle_or_number() -> list[TaskSpec]:
    return [
        _task(
            "sine",
            "Sine",
            "interval:load_sine",
            _in_1d,
            summary="a noisy sine of one variable; test targets are the clean curve on an even grid",
            source="y = amplitude sin(2 pi frequency x + phase), x uniform on [low, high]",
        ),
        _task(
            "step",
            "Step",
            "interval:load_step",
            _in_1d,
            summary="a noisy step of one variable; test targets are the clean step on an even grid",
            source="y = +-height/2 on the two sides of location, x uniform on [low, high]",
        ),
        _task(
            "circle",
            "Circle",
            "circle:load",
            _in_2d,
            summary="x1 x2 at random or even angles of the circle, or on Gaussian inputs; tested on an even grid",
            source="J18 Figs. 1 and 2: f*(x) = x1 x2, x = (cos g, sin g)",
            citation=_J18,
        ),
    ]


def _in_any_dimension() -> list[TaskSpec]:
    return [
        _task(
            "teacher",
            "Teacher",
            "teacher:load",
            _by_dimension,
            version=2,
            summary="the outputs of one finite random network, on Gaussian inputs or on the sphere",
            source="a network in the NTK parameterization of J18 section 2, parameters i.i.d. N(0, 1)",
            citation=_J18,
        ),
        _task(
            "harmonic",
            "Harmonic",
            "harmonic:load",
            _by_dimension,
            version=2,
            summary="zonal spherical harmonics of given degrees, unit mean square over the sphere",
            source="normalised Legendre (Gegenbauer) polynomials of <x, axis> on S^{d-1} (Atkinson and Han, ch. 2)",
            citation=f"{_ATKINSON_HAN}. Learned degree by degree: {_BASRI}",
        ),
        _task(
            "gp",
            "GaussianProcess",
            "gaussian_process:load",
            _by_dimension,
            summary="a draw of the Gaussian process that infinitely wide networks are at initialization (NNGP)",
            source="f ~ N(0, K_L) jointly at training and test points (J18 Prop. 1, L18)",
            citation=_L18,
            requires_plugins=("jax",),
        ),
    ]
