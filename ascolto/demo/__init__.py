"""A fictional day, played on a small platform of its own."""
