"""Writing files completely or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

OWNER_ONLY: Final = 0o600


@contextmanager
def replacing(*targets: str | os.PathLike[str], private: bool = False) -> Iterator[list[Path]]:
    """Files to write in place of others, which they replace once the block has ended well.

    Until then they are in a folder beside the targets that only their owner can open. On an error
    the targets stay as they were.

    Args:
        targets: one or more paths in one folder, which exists.
        private: whether only the owner may read them afterwards; else the umask decides.

    Yields:
        A path to write for each target, in their order.

    Raises:
        OSError: the folder cannot be written.
    """
    places = [Path(target).resolve() for target in targets]
    with tempfile.TemporaryDirectory(dir=places[0].parent, prefix=".writing-") as folder:
        written = [Path(folder) / place.name for place in places]
        yield written
        for file, place in zip(written, places, strict=True):
            if private:
                file.chmod(OWNER_ONLY)
            file.replace(place)
