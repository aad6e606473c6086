"""What a mention means: brands, language, sentiment, intent, severity, second opinions, explanations, training."""
