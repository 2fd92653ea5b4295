"""How good and how fast receptor vectors are, beside their peers."""
