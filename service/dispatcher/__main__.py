"""`python -m service.dispatcher`: the dispatcher process."""

import sys

from service.dispatcher.main import run
from service.settings import Settings

if __name__ == "__main__":
    sys.exit(run(Settings()))
