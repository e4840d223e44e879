"""Images as a table: npz arrays, and zips of folders."""
