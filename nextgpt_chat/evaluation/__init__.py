"""Metrics, readers and reports."""
