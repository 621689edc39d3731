"""What people run: command line, local servers, benchmarks."""
