"""Pages of lists: what a call returns at once, where the next page begins, and the listing index. No pydantic."""
