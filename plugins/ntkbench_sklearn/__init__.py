"""Support vector machines on the kernels of infinitely wide networks, from scikit-learn."""
