"""Pooling, scoring and calibration of probability forecasts; NumPy and SciPy only at import."""
