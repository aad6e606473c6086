"""Classification: the language, sentiment and intent of a text, with calibrated probabilities."""

from models.sentiment.classifier import INTENTS, LABELS, Classifier
from models.sentiment.loading import load
from models.sentiment.reader import Influence, Reader, Reading

__all__ = ["INTENTS", "LABELS", "Classifier", "Influence", "Reader", "Reading", "load"]
