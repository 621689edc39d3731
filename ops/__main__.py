"""`python -m ops` is `hopfleet`, also where the script is not on the path."""

from ops.cli import main

if __name__ == "__main__":
    main()
