"""The demonstration: a newly generated database with content for every page.

Its people, their forecasts and most outcomes are simulated and labelled as such; the forecasts of
one set are real.
"""
