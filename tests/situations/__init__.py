"""Input situations: what people have, and what becomes of it; rows for tests and for ``docs/inputs.md``."""
