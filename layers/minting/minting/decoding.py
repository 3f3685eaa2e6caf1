"""The errors that msgspec raises for bytes that are not JSON of the expected shape."""

import msgspec

DECODE_ERRORS = (msgspec.DecodeError, UnicodeError, RecursionError)
"""Not JSON or not the shape; text that is not UTF-8; nesting deeper than the stack."""
