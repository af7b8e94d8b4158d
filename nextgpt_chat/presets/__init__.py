"""Models whose parts are on the hub: what they are made of, and how they come here."""
