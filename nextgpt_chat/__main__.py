"""`python -m nextgpt_chat`, which is what `accelerate launch --module` starts."""

from nextgpt_chat.cli import main

main()
