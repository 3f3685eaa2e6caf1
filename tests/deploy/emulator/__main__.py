"""`python -m tests.deploy.emulator`: ministack on $GATEWAY_PORT, with what AWS does and ministack 1.5.33 does not.

Each difference that this template meets is mended here, in the emulator's process, with the source of what AWS does. The
template is deployed as it is.
"""

import sys

from ministack.app import main  # type: ignore[import-not-found]

from tests.deploy.emulator import boundaries, http_api, resources, transform

if __name__ == "__main__":
    for part in (transform, http_api, resources, boundaries):
        part.mend()
    sys.argv = ["ministack"]
    main()
