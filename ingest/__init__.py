"""What only the doors need."""
