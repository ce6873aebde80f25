"""The page that shows the API's document: all its scripts are files of our own."""

from typing import Any, Final

from litestar import Request, get
from litestar.openapi.plugins import SwaggerRenderPlugin

PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Credence: the API</title>
<link rel="icon" href="/documentation/favicon-32x32.png">
<link rel="stylesheet" href="/documentation/swagger-ui.css">
<script src="/documentation/swagger-ui-bundle.js" defer></script>
<script src="/documentation.js" defer></script>
</head>
<body><div id="documentation"></div></body>
</html>
"""
SCRIPT: Final = """SwaggerUIBundle({
  url: "/schema/openapi.json",
  dom_id: "#documentation",
  deepLinking: true,
});
"""


class Documentation(SwaggerRenderPlugin):
    """Swagger UI started by a script of our own, for the content security policy allows no other.

    The framework's page writes the document into a script within the page.
    """

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """The page; its script asks for the document itself."""
        del request, openapi_schema
        return PAGE.encode()


@get(
    "/documentation.js", media_type="text/javascript", include_in_schema=False, sync_to_thread=False
)
def start() -> str:
    """The script that shows the document."""
    return SCRIPT
