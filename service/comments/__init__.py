"""Comments on questions."""
