"""What all functions share: the way of a request, its caller, key, calls upstream, problems and record."""

import gc

gc.disable()  # nothing that is imported is garbage: a tenth of a cold start went into looking for it; Function turns it on again
