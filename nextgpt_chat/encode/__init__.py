"""Arrays to language-model embeddings (tier 1)."""
