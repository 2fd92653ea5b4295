"""Speed of predict, and what its options change."""
