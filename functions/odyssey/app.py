"""Odyssey: client credentials, each for a session that takes a slot, and a store for broadcasts.

Facts and sources: docs/vendors/odyssey.md.
"""

from . import broadcasts, credentials  # noqa: F401 - importing them declares their routes
from .service import vendor

handler = vendor.handler
