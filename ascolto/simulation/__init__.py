"""A day of a team, with outages and kills, and an audit of the guarantees."""
