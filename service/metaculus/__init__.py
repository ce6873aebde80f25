"""An API compatible with Metaculus clients."""
