"""Request and response formats of each protocol of the prediction API."""
