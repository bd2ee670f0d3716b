"""`python -m warmbase` is the console script."""

from warmbase.cli import main

if __name__ == "__main__":
    main()
