"""Registers the studies that reproduce figures and tables of papers, and those on UCI data."""

from __future__ import annotations

from pathlib import Path

from ntkbench.plugin import StudySpec, hookimpl

_STUDIES = Path(__file__).parent / "studies"
_SUMMARIES = {
    "j18-fig1": "J18 Fig. 1: the tangent kernel on the circle before and after training (C2, C4)",
    "j18-fig2": "J18 Fig. 2: trained networks on the circle and the law of their infinite-width limit (C8)",
    "j18-fig3": "J18 Fig. 3: training towards one kernel principal component of digits (C9, C15)",
    "l19-fig1": "L19 Fig. 1: change of weights and of the tangent kernel during training, against width (C4, C5)",
    "l19-fig4": "after L19 Fig. 4: networks and their linearizations during training (C6)",
    "uci-regression": "NTK and NNGP regression on the sets of Hernandez-Lobato and Adams, with baselines",
    "uci-regression-protein": "the same on protein, 45,730 rows, by conjugate gradients",
    "uci-classification-a19": "A19 Table 1, row NTK: the NTK classifier on ninety small data sets",
    "uci-classification-a19-networks": "A19 Table 1, rows NN: trained networks beside the NTK classifier",
    "uci-classification-nested": "leakage: the NTK classifier with hyperparameters chosen with and without test rows",
    "uci-kernels-against-networks": "kernels and finite networks of the same architectures on five regression sets",
    "uci-agreement": "where the kernel predicts the network, and what correlates with it, on 35 real data sets",
    "uci-smoothness": "where the NTK loses to the NNGP on real data, and whether smoothness and noise explain it",
}


@hookimpl
def ntkbench_register_studies() -> list[StudySpec]:
    """Return the studies of this package."""
    return [
        StudySpec(name=name, summary=summary, path=_STUDIES / f"{name}.toml") for name, summary in _SUMMARIES.items()
    ]
