"""Questions, their forecasts and their aggregates."""
