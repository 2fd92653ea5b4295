"""Networks in torch, one kind per file; they know no files and no biology."""
