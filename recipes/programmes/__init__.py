"""How the packaged table of programmes is made from published gene lists and labelled cells."""
