"""What is special about bags: their fold models have learned from most validation rows."""
