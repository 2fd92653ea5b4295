"""How soon a command starts."""
