"""What claims rest on: each file checks what it measures before it prints a number. All: ``python -m benchmarks``."""
