"""Measurements for every claim of speed and memory. Each file checks the answer before it prints a number.

``python -m benchmarks`` runs all of them.
"""
