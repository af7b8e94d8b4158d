"""What a Space runs: the chat page with the settings of the environment."""

import sys

from nextgpt_chat.errors import UserError
from nextgpt_chat.serving import serve
from nextgpt_chat.settings import Settings

if __name__ == "__main__":
    try:
        serve(Settings())
    except UserError as error:
        sys.exit(str(error))
