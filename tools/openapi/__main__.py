"""`python -m tools.openapi`: writes docs/openapi.json. Examples that fit are left as they are; without the file, all are new."""

from tools.openapi.file import fresh, kept, write, written

if __name__ == "__main__":
    write(kept(fresh(), written()))
