"""`python -m git_custody`."""

from .cli import main

raise SystemExit(main())
