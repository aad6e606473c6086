"""What a mention is, and what reads it.

Nothing that this stands on tells its makers that it was used: onnxruntime would from 1.29 on, unless told not to before it is
imported (docs/Privacy.md of its repository), and clients of the hub in the headers of what they fetch.
"""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
