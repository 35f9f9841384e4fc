"""What the README and the documentation show of the terminal and of the browser: `make screenshots`.

Pictures of a terminal are SVG drawn from a command's coloured output; they name fonts that a reader has and load none.
Pictures of the browser need Chromium.
"""

import io
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from docs.generator.recordings import execute, folder

IMAGES = Path(__file__).parent.parent / "images"
COLUMNS = 96
SESSIONS: dict[str, tuple[str, ...]] = {
    "verify": ("mix build tiny --raw raw --out mine | tail -n 1", "mix verify mine --raw raw"),
    "trace": ("mix trace mixture aokvqa/000000150663#3 --raw raw",),
}
"""Pictures of the terminal by name: commands whose output is the same each time."""
PAGES: dict[str, str] = {
    "report": "",
    "gallery": """
        [...document.querySelectorAll('button')].find(button => button.textContent.trim().startsWith('vg')).click();
        document.querySelector('#filter').scrollIntoView()
    """,
}
"""Pictures of the browser by name: what is done to the report before."""
REPORT = "mix inspect mixture --html report.html --images raw/images"
_WINDOW = "1200,1200"
_SVG = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
  <style>
    .{unique_id}-matrix {{
      font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
      font-size: {char_height}px; line-height: {line_height}px;
    }}
    .{unique_id}-title {{ font-family: system-ui, sans-serif; font-size: 18px; font-weight: bold; }}
    {styles}
  </style>
  <defs>
    <clipPath id="{unique_id}-clip-terminal"><rect width="{terminal_width}" height="{terminal_height}"/></clipPath>
    {lines}
  </defs>
  {chrome}
  <g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
    {backgrounds}
    <g class="{unique_id}-matrix">
    {matrix}
    </g>
  </g>
</svg>
"""


def terminal(commands: Sequence[str], *, name: str) -> str:
    """An SVG of a terminal in which these commands were typed."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for command in commands:
        console.print(Text(f"$ {command}", style="bold"))
        shown = execute(command, folder(), columns=COLUMNS, colour=True).stdout
        console.print(Text.from_ansi("\n".join(line.rstrip() for line in shown.splitlines())))
    svg = console.export_svg(title=commands[0].partition(" | ")[0], code_format=_SVG, unique_id=name)
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


def browser(script: str, to: Path) -> None:
    """A picture, in few colours, of the report behind a script."""
    from PIL import Image
    from selenium.webdriver import Chrome, ChromeOptions, ChromeService

    execute(REPORT, folder())
    options = ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    for switch in ("--headless=new", "--no-sandbox", "--hide-scrollbars", f"--window-size={_WINDOW}"):
        options.add_argument(switch)
    driver = Chrome(options=options, service=ChromeService(shutil.which("chromedriver")))
    try:
        driver.get((folder() / "report.html").as_uri())
        driver.execute_script(script)
        time.sleep(1)  # pictures that come into view are decoded then
        shot = driver.get_screenshot_as_png()
    finally:
        driver.quit()
    Image.open(io.BytesIO(shot)).convert("RGB").quantize(128).save(to, optimize=True)


def main() -> None:
    """Draw all pictures, or those named."""
    IMAGES.mkdir(exist_ok=True)
    wanted = sys.argv[1:] or [*SESSIONS, *PAGES]
    for name in wanted:
        if name in SESSIONS:
            (IMAGES / f"{name}.svg").write_text(terminal(SESSIONS[name], name=name), encoding="utf-8")
        else:
            browser(PAGES[name], IMAGES / f"{name}.png")
        print(f"drew {name}")


if __name__ == "__main__":
    main()
