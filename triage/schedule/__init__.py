"""What depends on time: business hours, deadlines, escalation, availability."""
