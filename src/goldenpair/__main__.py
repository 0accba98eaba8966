"""`python -m goldenpair`: the command line where scripts are not on the path."""

import sys

from goldenpair.cli import main

sys.exit(main())
