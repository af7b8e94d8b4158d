"""Readers recover a scene's attributes from words and pixels. They share no code with what writes and draws them."""
