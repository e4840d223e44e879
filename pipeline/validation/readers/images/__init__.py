"""Read images as a table, from npz arrays or from zip files with a folder per class."""
