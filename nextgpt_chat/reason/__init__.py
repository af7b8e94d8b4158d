"""Embeddings to text and signal tokens (tier 2)."""
