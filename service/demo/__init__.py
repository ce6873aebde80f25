"""The demonstration: a database with life on every page, made anew each time.

Its people, what they forecast and how most of its questions resolve are simulated, and labelled as
such; the forecasts of one set are real.
"""
