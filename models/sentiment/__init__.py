"""Reading: which language a text is in, and whether it is negative, neutral or positive, with calibrated probabilities."""

from models.sentiment.classifier import INTENTS, LABELS, Classifier
from models.sentiment.loading import load
from models.sentiment.reader import Moved, Reader, Reading

__all__ = ["INTENTS", "LABELS", "Classifier", "Moved", "Reader", "Reading", "load"]
