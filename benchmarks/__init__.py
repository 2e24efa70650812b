"""Workloads that measure a real server from outside. Run them with ``scripts/bench``."""
