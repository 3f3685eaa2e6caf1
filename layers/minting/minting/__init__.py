"""The code that all functions share: requests, callers, keys, calls to vendors, and records."""

import gc

# Imports create no garbage, and the search for it took a tenth of a cold start.
# Function turns the collector on again.
gc.disable()
