"""The service: accounts, questions, forecasts, aggregates, scores, jobs; its API and command."""
