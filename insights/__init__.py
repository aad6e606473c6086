"""What is counted: metrics of a period, digests and their charts."""
