"""Parse values written as text: missing values, numbers, dates. Standard library only; serving shares it."""
