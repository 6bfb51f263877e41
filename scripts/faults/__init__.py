"""Proof of what docs/trust.md promises: kills, mutants and environments, counted. See __main__.py."""
