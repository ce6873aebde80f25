"""Exports, and imports of forecasts from other platforms."""
