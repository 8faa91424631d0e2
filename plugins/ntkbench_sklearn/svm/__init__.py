"""The backend ``sklearn-svm``: support vector machines on the kernels of infinitely wide networks (A19)."""
