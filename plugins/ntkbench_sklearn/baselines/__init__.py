"""Baselines that a kernel or a network has to beat: linear, RBF kernel ridge and random forest."""
