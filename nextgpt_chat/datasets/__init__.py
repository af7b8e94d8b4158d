"""Captioned media in the layouts in which well-known sets are published; a user brings the files."""
