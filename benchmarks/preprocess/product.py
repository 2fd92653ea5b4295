"""One fresh process: ``tcellflow preprocess`` on one matrix."""

import json
import sys
import time
from pathlib import Path

import tcellflow.steps.preprocess as step

imports = time.process_time()
source, folder = Path(sys.argv[1]), Path(sys.argv[2])
step.preprocess(step.PreprocessOptions(gex=source, output=folder, prefix="ours", force=True))
print(json.dumps({"import_seconds": imports}))
