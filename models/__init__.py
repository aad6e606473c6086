"""Nouns and their tables, the query language, and the classifier.

Telemetry of libraries is disabled here, before they are imported: onnxruntime reports its use since 1.29 (docs/Privacy.md of its
repository), and clients of the model hub do in the headers of their requests.
"""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
