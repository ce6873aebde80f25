"""Scores, leaderboards, calibration and the records of forecasters."""
