"""The API that clients of Metaculus know."""
