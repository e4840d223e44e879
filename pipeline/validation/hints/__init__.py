"""What the data looks like besides the table that it is learned as, each as a sentence with the line to add."""
