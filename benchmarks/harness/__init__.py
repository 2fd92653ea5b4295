"""What all benchmarks share: the machine's description, child processes and their figures."""
