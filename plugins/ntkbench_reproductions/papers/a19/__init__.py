"""A19 Table 1 (Arora et al. 2019, arXiv:1910.01663): classifiers on ninety small UCI data sets."""
