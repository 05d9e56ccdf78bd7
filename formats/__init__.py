"""A result as a file: subtitles, texts, tables, annotations, a page. Pure, but for the page's own templates."""
