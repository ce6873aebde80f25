"""The audit log of curators' and administrators' actions."""
