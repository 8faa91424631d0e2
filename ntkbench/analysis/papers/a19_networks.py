"""A19 Table 1 (Arora et al. 2019, arXiv:1910.01663), rows NN: networks beside the NTK on the same data sets."""

from __future__ import annotations
