"""SpatialGen: a lease of its readonly key, and reads, licences and uploads without a key.

The vendor mints no tokens, so this function makes most calls for its clients.
Facts and sources: docs/vendors/spatialgen.md.
"""

from . import lease, licenses, reads, upload_files, uploads  # noqa: F401 - importing them declares their routes
from .service import vendor

handler = vendor.handler
