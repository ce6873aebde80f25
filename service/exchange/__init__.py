"""Forecasts from elsewhere: exports of other platforms, and storing them as a set of their own."""
