"""Published checkpoints as folders of this project."""
