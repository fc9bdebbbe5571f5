"""Check the links of the built pages to each other, anchors and pictures included.

    python doc/check_links.py doc/_build/html

Nothing is asked over the network: links to other sites are not followed.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """The targets that a page has, and what it links to."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.links = set(), set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        """Collect anchors and links of one tag."""
        attrs = dict(attrs)
        self.anchors |= {attrs[name] for name in ("id", "name") if attrs.get(name)}
        self.links |= {attrs[name] for name in ("href", "src") if attrs.get(name)}


def broken_links(folder):
    """Return pairs of a page and a link that leads nowhere."""
    folder = Path(folder).resolve()
    paths = sorted(set(folder.rglob("*.html")) - set(folder.glob("_static/**/*")))
    pages = {path: Page(path) for path in paths}  # _static has the theme's templates
    found = []
    for path, page in pages.items():
        for link in sorted(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = path
            if parts.path:
                target = (path.parent / unquote(parts.path)).resolve()
            fragment = unquote(parts.fragment)
            is_there = target.exists()
            if is_there and fragment and target in pages:
                is_there = fragment in pages[target].anchors
            if not is_there:
                found.append((path.relative_to(folder), link))
    return found


def main(folder):
    """Print what is broken, and return the exit status."""
    found = broken_links(folder)
    for page, link in found:
        print(f"{page}: {link} leads nowhere")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
