"""Fits of the model: scheduling, stored posteriors and model health."""
