"""`python -m streamvpr`."""

from streamvpr.cli import main

if __name__ == "__main__":
    main()
