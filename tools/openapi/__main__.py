"""Writes docs/openapi.json. Usage: python -m tools.openapi.

An example stays as it is while it fits. Delete the file to get new examples.
"""

from tools.openapi.file import fresh, kept, write, written

if __name__ == "__main__":
    write(kept(fresh(), written()))
