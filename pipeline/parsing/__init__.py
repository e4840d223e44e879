"""Values written as text: missing values, numbers, dates. Standard library only; training and serving share it."""
