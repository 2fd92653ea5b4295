"""How well expression and proteins are fused, beside the peers."""
