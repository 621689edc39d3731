"""What operators and their machines ask a process: does it live, and in numbers how it does."""
