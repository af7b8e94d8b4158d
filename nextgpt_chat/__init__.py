"""NExT-GPT Chat: talk in any mix of text, images, audio and video, and get back any mix of them."""

__version__ = "0.1.0"
