"""What msgspec raises when it is given bytes that are not what they should be; its own error is only one of them."""

import msgspec

NOT_JSON = (msgspec.DecodeError, UnicodeError, RecursionError)
"""Not JSON or not the shape; text that is not UTF-8; nested deeper than the stack."""
