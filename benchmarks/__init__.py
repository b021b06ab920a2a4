"""Ratios to other libraries, measured in one run: ``uv run --group bench python -m benchmarks``."""
