"""How good a result is: held against what was really said, by the libraries that define it."""
