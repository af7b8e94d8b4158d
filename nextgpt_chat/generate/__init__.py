"""Signal tokens to media arrays (tier 3)."""
