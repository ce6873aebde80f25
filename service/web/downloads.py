"""Streamed file downloads, for the API and the pages."""

from collections.abc import AsyncIterator
from typing import Any

from litestar.response import Stream


class Download(Stream):
    """A private file response with its own media type."""

    def __init__(
        self,
        pieces: AsyncIterator[bytes],
        name: str,
        media_type: str,
        headers: dict[str, str] | None = None,
    ) -> None:
        told = {
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
        }
        super().__init__(pieces, media_type=media_type, headers=told | (headers or {}))

    def to_asgi_response(self, *told: Any, **more: Any) -> Any:
        """Build the response."""
        return super().to_asgi_response(*told, **more | {"media_type": self.media_type})
