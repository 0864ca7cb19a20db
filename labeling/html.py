"""A report's Markdown as one HTML file that needs no network: pictures inside, no script, no live HTML.

In: Markdown that was written with `labeling.markdown`, and its pictures by name. Out: a page for a browser.
"""

import base64
import html
from collections.abc import Mapping

_STYLE = """\
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
       color: #1c1c1c; background: #fff; }
h1, h2, h3 { line-height: 1.2; margin: 2rem 0 .6rem; }
table { border-collapse: collapse; margin: .8rem 0; font-size: .92rem; display: block; overflow-x: auto; }
th, td { border-bottom: 1px solid #ddd; padding: .3rem .7rem; vertical-align: top; text-align: left; }
th { border-bottom: 2px solid #888; }
td[style*="right"], th[style*="right"] { font-variant-numeric: tabular-nums; }
pre { background: #f5f5f5; padding: .7rem; white-space: pre-wrap; overflow-wrap: anywhere;
      font-size: .85rem; }
code { background: #f5f5f5; }
img { max-width: 100%; }
.side { display: grid; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); gap: .8rem; }
blockquote { border-left: 4px solid #d55e00; margin-left: 0; padding: .1rem 1rem; background: #fff6ee; }
"""


def page(markdown: str, *, title: str, pictures: Mapping[str, bytes], end: str = "") -> str:
    """The page; `pictures` are PNGs by the names that the Markdown has for them.

    `end` is HTML to close with, for what Markdown cannot lay out: its texts have to be escaped already.
    """
    from markdown_it import MarkdownIt

    # HTML in the text is shown as text: what models wrote must not run in a reader's browser.
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
    for name, png in pictures.items():
        data = base64.b64encode(png).decode()
        body = body.replace(f'src="{html.escape(name)}"', f'src="data:image/png;base64,{data}"')
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width">\n'
        f'<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        f"style-src 'unsafe-inline'\">\n"
        f"<title>{html.escape(title)}</title>\n<style>\n{_STYLE}</style>\n</head>\n<body>\n{body}{end}</body>\n</html>\n"
    )
