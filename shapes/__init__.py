"""A result as a peer's API answers. Pure, standard library only."""
