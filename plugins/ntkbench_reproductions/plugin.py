"""What this package registers: the studies that reproduce the papers' figures and tables."""

from __future__ import annotations

from pathlib import Path

from ntkbench.plugin import StudySpec, hookimpl

_STUDIES = Path(__file__).parent / "studies"
_SUMMARIES = {
    "j18-fig1": "the tangent kernel on the circle before and after training (C2, C4), after J18 Fig. 1",
    "j18-fig2": "trained networks on the circle against the law of the limit (C8), after J18 Fig. 2",
    "j18-fig3": "training towards a kernel principal component of digits (C9, C15), after J18 Fig. 3",
    "l19-fig1": "change of weights and of the tangent kernel against width (C4, C5), after L19 Fig. 1",
    "l19-fig4": "networks against their own linearizations in training (C6), after L19 Fig. 4",
    "uci-regression": "kernel regression with chosen ridge and architecture on the sets of Hernandez-Lobato and Adams",
    "uci-regression-protein": "the same for protein alone, 45,730 rows, by conjugate gradients",
    "uci-classification-a19": "the NTK classifier on ninety small data sets, the NTK row of A19 Table 1",
    "uci-classification-a19-networks": "trained networks beside the NTK classifier, the NN rows of A19 Table 1",
    "uci-kernels-against-networks": "kernels against the networks they stand for, on five regression sets",
    "uci-agreement": "where the kernel predicts the network and what goes with it, on thirty-five real sets",
    "uci-smoothness": "where the NTK loses to the NNGP on real data, and whether smoothness and noise decide it",
    "uci-classification-nested": "the NTK classifier chosen with and without a look at the test rows",
}


@hookimpl
def ntkbench_register_studies() -> list[StudySpec]:
    """Return the studies of this package."""
    return [
        StudySpec(name=name, summary=summary, path=_STUDIES / f"{name}.toml") for name, summary in _SUMMARIES.items()
    ]
