"""Descriptions of algorithms without the code that trains them: hyper-parameters, limits, cost, and the catalog."""
