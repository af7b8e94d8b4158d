"""One module per word of the command line; each has a `main` whose arguments are the word's options."""
