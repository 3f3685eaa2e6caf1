"""`python -m local.openapi`: writes docs/openapi.json, unless nothing but the values of its examples would be other ones."""

import json

from local.openapi.file import FILE, fresh, shape

if __name__ == "__main__":
    document = fresh()
    if not FILE.exists() or shape(json.loads(FILE.read_bytes())) != shape(document):
        FILE.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n")
