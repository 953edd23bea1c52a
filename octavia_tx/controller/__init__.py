"""Convergence: gather what is, plan the difference, run idempotent steps."""
