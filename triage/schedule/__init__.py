"""What depends on time: business hours, deadlines, escalation, who is on call, quiet hours and absences."""
