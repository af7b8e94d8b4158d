"""Bytes to arrays and back: what is accepted, how it is decoded, where files lie."""
