"""The database: engine, SQLite, backups, caches."""
