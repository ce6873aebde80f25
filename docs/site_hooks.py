"""What MkDocs does with the pages of this folder that read well on the forge as they are."""

import posixpath
import re
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import mermaidx
from mkdocs.plugins import get_plugin_logger
from mkdocs.structure.files import File

FORGE = "https://github.com/credence-forecasts/credence"
SCRIPT = "assets/javascripts/mermaid.min.js"
ROOT = Path(__file__).parents[1]

_DIAGRAM = re.compile(r"^```mermaid\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<=\]\()(\.\.?/[^)#\s]+)")
_FOREIGN = re.compile(
    r"""<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)=["']?(?:https?:)?//[^>]*>"""
)

log = get_plugin_logger("site")


def on_files(found: Any, /, *, config: Any) -> Any:
    """Add Mermaid's own script, which comes in a locked package: no page asks a CDN for it."""
    with as_file(files(mermaidx) / "assets" / "mermaid.js") as path:
        found.append(File.generated(config, SCRIPT, content=path.read_bytes()))
    return found


def on_page_markdown(markdown: str, /, *, page: Any, **_: Any) -> str:
    """Lead links out of this folder to the forge, and warn of diagrams that cannot be drawn."""
    for source in _DIAGRAM.findall(markdown):
        try:
            mermaidx.render(source).svg()
        except Exception as error:  # noqa: BLE001 - whatever its parser raises
            log.warning("%s: a diagram cannot be drawn: %s", page.file.src_uri, error)

    def forge(link: re.Match[str]) -> str:
        folder = posixpath.dirname(f"docs/{page.file.src_uri}")
        target = posixpath.normpath(posixpath.join(folder, link[1]))
        if target.startswith("docs/"):
            return link[1]
        if not (ROOT / target).exists():
            log.warning("%s: there is no %s", page.file.src_uri, link[1])
        kind = "tree" if (ROOT / target).is_dir() else "blob"
        return f"{FORGE}/{kind}/main/{target}"

    return _LINK.sub(forge, markdown)


def on_page_content(html: str, /, *, page: Any, **_: Any) -> str:
    """Load Mermaid on the pages that have a diagram, before the theme would look for it."""
    if 'class="mermaid"' not in html:
        return html
    script = posixpath.relpath(SCRIPT, posixpath.dirname(page.file.dest_uri) or ".")
    return f'<script src="{script}"></script>\n{html}'


def on_post_page(output: str, /, *, page: Any, **_: Any) -> str:
    """Warn of anything that a reader's browser would fetch from another host."""
    for tag in _FOREIGN.findall(output):
        log.warning("%s: a page loads only files of the site: %s", page.file.src_uri, tag)
    return output
