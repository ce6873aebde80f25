"""Exports of other platforms, read as panels: one module per platform, listed here.

docs/import.md describes each format and names its source. A question resolved neither Yes nor No
has no outcome; questions of unsupported types are omitted and counted.
"""

from pathlib import Path
from typing import Final

from forecasting.csv_io import Dialect, PanelError, shown
from service.exchange.platforms import (
    fatebook,
    folder,
    forecastbench,
    good_judgment_open,
    good_judgment_project,
    manifold,
    metaculus,
    predictionbook,
)
from service.exchange.platforms.platform import Export, Platform
from service.exchange.platforms.source import Source

PLATFORMS: Final[tuple[Platform, ...]] = (
    metaculus.PLATFORM,
    fatebook.PLATFORM,
    predictionbook.PLATFORM,
    folder.PLATFORM,
    good_judgment_project.PLATFORM,
    good_judgment_open.PLATFORM,
    manifold.PLATFORM,
    forecastbench.PLATFORM,
)


def read(path: Path, dialect: Dialect | None = None) -> Export:
    """Read an export of the first platform that recognises it.

    Args:
        path: a file, a folder or a ZIP archive.
        dialect: the CSV dialect of its files, where it cannot be detected.

    Raises:
        PanelError: anything missing, malformed or contradictory, with file, line and reason.
    """
    source = Source(path, dialect)
    if not path.exists():
        raise PanelError(f"{path}: there is no such file")
    platform = next((one for one in PLATFORMS if one.recognises(source)), None)
    if platform is None:
        known = "; ".join(f"{one.name} ({one.files})" for one in PLATFORMS)
        raise PanelError(
            f"{path}: not an export of a platform that can be imported. It has {_content(source)}. "
            f"Known are: {known}"
        )
    return Export(platform.read(source), platform.name, source.notes)


def _content(source: Source) -> str:
    """The content of a source, for the error that no platform recognises it."""
    if len(source.names) != 1:
        return f"the files {shown(', '.join(source.names))}"
    (name,) = source.names
    if keys := source.keys(name):
        return f"objects with the keys {shown(', '.join(sorted(keys)))}"
    if columns := source.header(name):
        return f"the columns {shown(', '.join(sorted(columns)))}"
    return "no columns and no keys"
