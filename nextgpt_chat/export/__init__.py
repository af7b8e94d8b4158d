"""Conversations as files to take along: a page of its own, or an archive with a text, all media and the lines that training reads."""
