"""Request and response forms of each protocol that the prediction API speaks."""
