"""What builds the tables behind descriptions and cell types."""
