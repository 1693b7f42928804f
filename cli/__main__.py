"""The command as `python -m lucid_cli`."""

from .main import main

if __name__ == "__main__":  # and not where modules are listed
    main()
