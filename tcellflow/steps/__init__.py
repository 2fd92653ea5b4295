"""One module per command: read, check, compute, write; steps meet only through files."""
