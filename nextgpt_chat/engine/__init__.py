"""Who does the work: claim, run, cancel, resume, follow."""
