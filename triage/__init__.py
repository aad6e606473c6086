"""The life of a case: intake, priority, routing, claims, deadlines, escalation, alerts."""
