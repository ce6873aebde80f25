"""The pages: the nouns as people see them in a browser; templates and static files beside them."""

from service.pages.errors import show as show_error
from service.pages.rendering import template_config
from service.pages.site import site

__all__ = ["show_error", "site", "template_config"]
