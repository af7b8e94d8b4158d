"""Judging answers: campaigns, assignments, statistics, data sets."""
