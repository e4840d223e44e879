"""Graph surgery that training and compression share: raw columns into a body, labels or values out of it."""
