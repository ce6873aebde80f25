"""Server-rendered pages, one module per resource, with templates and static files."""

from service.pages.errors import show as show_error
from service.pages.rendering import template_config
from service.pages.site import site

__all__ = ["show_error", "site", "template_config"]
