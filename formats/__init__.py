"""A result as a file. Pure, but for the page's own templates."""
