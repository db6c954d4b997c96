"""What ``setup init`` writes."""
