"""What an algorithm is, without the code that trains it: its hyper-parameters, limits and cost; the catalog of all."""
