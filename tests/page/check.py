"""Opens pages in Chromium, in light, in dark, at the width of a telephone, and as a print: check.py OUT PAGE..."""

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

# WCAG 2.2, success criterion 1.4.3 (AA), for text of any size.
CONTRAST = 4.5

# Every text with the contrast of its colour to what is behind it.
CONTRASTS = """() => {
  const parse = (c) => { const n = (c.match(/[\\d.]+/g) || []).map(Number); return n.length < 4 ? [...n, 1] : n; };
  const light = ([r, g, b]) => {
    const f = (v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
    return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b);
  };
  const behind = (e) => {
    for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c[3] === 1) return c; }
    return matchMedia('(prefers-color-scheme: dark)').matches ? [18, 18, 18, 1] : [255, 255, 255, 1];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim(), e = walker.currentNode.parentElement;
    if (!text || e.closest('style, title, script')) continue;
    const style = getComputedStyle(e);
    const [a, b] = [light(parse(e.closest('svg') ? style.fill : style.color)), light(behind(e))];
    found.push([(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), text.slice(0, 40)]);
  }
  return found;
}"""

BROKEN = "() => [...document.images].filter(i => !i.complete || !i.naturalWidth).map(i => i.alt)"
WIDER = """() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]"""
CUT = """() => [...document.querySelectorAll('.scroll, pre, figure, svg')]
  .filter(e => e.scrollWidth > e.clientWidth + 1 && e.tagName !== 'svg' || e.getBoundingClientRect().right > innerWidth + 1)
  .map(e => (e.getAttribute('aria-label') || e.className.toString()) + ' ' + e.scrollWidth + ' > ' + e.clientWidth)"""


def main(out: Path, pages: list[Path]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    wrong = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for file in pages:
            for form, width, scheme in [("light", 1100, "light"), ("dark", 1100, "dark"), ("phone", 360, "light"), ("phone_dark", 360, "dark")]:
                name = f"{file.stem}, {form}"
                context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
                page = context.new_page()
                page.on("console", lambda m: wrong.append(f"{name}: console: {m.text}"))
                page.on("pageerror", lambda e: wrong.append(f"{name}: {e}"))
                own = file.resolve().as_uri()
                page.on("request", lambda r: r.url == own or r.url.startswith("data:") or wrong.append(f"{name}: asks for {r.url}"))
                page.goto(own)
                contrasts = page.evaluate(CONTRASTS)
                wrong += [f"{name}: contrast {c:.2f} of {text!r}" for c, text in contrasts if c < CONTRAST]
                if len(contrasts) < 50:
                    wrong.append(f"{name}: only {len(contrasts)} texts")
                wrong += [f"{name}: an image is missing: {alt}" for alt in page.evaluate(BROKEN)]
                content, room = page.evaluate(WIDER)
                if content > room:
                    wrong.append(f"{name}: {content} pixels wide in {room}")
                page.screenshot(path=out / f"{file.stem}_{form}.png", full_page=True)
                if form == "light":
                    page.pdf(path=out / f"{file.stem}.pdf", format="A4")
                    # The width of the text on A4 within the page's own margins, in pixels of CSS.
                    page.set_viewport_size({"width": 688, "height": 1000})
                    page.emulate_media(media="print", color_scheme="dark")
                    if page.evaluate("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)":
                        wrong.append(f"{name}: is not printed on white")
                    wrong += [f"{name}: cut in print: {what}" for what in page.evaluate(CUT)]
                    page.screenshot(path=out / f"{file.stem}_print.png", full_page=True)
                context.close()
        browser.close()
    for line in wrong:
        print(line)
    print(f"{len(pages)} pages, {len(wrong)} faults; screenshots in {out}")
    sys.exit(bool(wrong))


main(Path(sys.argv[1]), [Path(p) for p in sys.argv[2:]])
