"""Takes the pictures of the pages in docs/: `make pictures`. What is on them: examples.py."""

import io

from PIL import Image

from tests.support.browser import chromium, showing, visit
from tests.support.examples import with_problems
from tests.support.paths import ROOT

DOCS = ROOT / "docs"
PICTURES = {"landing.png": "/", "failures.png": "/failures"}
WIDTH = 1200
_COLORS = 256
"""A page has few: text, its smooth edges, lines and grounds. It makes the files half as large."""


def main() -> None:
    with chromium() as browser, showing(with_problems()) as url:
        for name, path in PICTURES.items():
            with visit(browser, url + path, size=(WIDTH, 400)) as page:
                taken = Image.open(io.BytesIO(page.screenshot(full_page=True)))
            taken.convert("RGB").quantize(_COLORS, dither=Image.Dither.NONE).save(DOCS / name, optimize=True)


if __name__ == "__main__":
    main()
