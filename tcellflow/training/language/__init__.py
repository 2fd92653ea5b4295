"""Language models that need torch: those of others."""
