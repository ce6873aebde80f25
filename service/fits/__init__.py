"""Fits of the model: when they are due, their samples and their health."""
