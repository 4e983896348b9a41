from __future__ import annotations

import sys

from mediadl.cli import main

sys.exit(main())
