"""The process that gets killed: `python -m ascolto.simulation FOLDER PLAN`, the plan as JSON."""

import sys
from pathlib import Path

import msgspec

from ascolto.simulation.run import Plan, main

main(Path(sys.argv[1]), msgspec.json.decode(sys.argv[2], type=Plan))
