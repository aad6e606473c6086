"""Reading: which language a text is in, and whether it is negative, neutral or positive, with calibrated probabilities."""

from models.sentiment.reader import LABELS, Classifier, Reader, Reading, load

__all__ = ["LABELS", "Classifier", "Reader", "Reading", "load"]
