"""Sets of questions: their schema, their reading from disk and their lint."""
