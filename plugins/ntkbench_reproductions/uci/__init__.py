"""Analyses over many real data sets, each data set one unit."""
