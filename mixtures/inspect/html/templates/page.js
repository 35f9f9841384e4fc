"use strict";
(() => {
  const root = document.documentElement;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  root.classList.add("js");

  // plots: the figures come without colours of text and lines, which follow the theme
  const plots = all(".draw").map((place) => {
    const { data, layout } = JSON.parse(document.querySelector(`[data-figure="${CSS.escape(place.dataset.plot)}"]`).textContent);
    return { place, data, layout };
  });
  const colour = (name) => {
    const probe = document.body.appendChild(document.createElement("i"));
    probe.style.color = `var(--${name})`;
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  };
  const themed = (layout) => {
    const ink = colour("ink"), line = colour("line");
    const axis = { gridcolor: line, zeroline: false, automargin: true, fixedrange: true, linecolor: line, tickcolor: line };
    return {
      ...layout,
      xaxis: { ...axis, ...layout.xaxis },
      yaxis: { ...axis, showgrid: false, ticklabelstandoff: 6, ...layout.yaxis },
      shapes: (layout.shapes || []).map((shape) => ({ ...shape, line: { color: colour("bad"), width: 2, dash: "dot" } })),
      annotations: (layout.annotations || []).map((note) => ({
        ...note, showarrow: false, xanchor: "center", yanchor: "bottom", font: { color: colour("bad") },
      })),
      font: { color: ink, family: "system-ui, sans-serif", size: 12.5 },
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
      margin: { l: 8, r: 24, t: 24, b: 8, ...layout.margin }, dragmode: false,
      hoverlabel: { align: "left" },
    };
  };
  const draw = () => plots.forEach(({ place, data, layout }) =>
    Plotly.react(place, data, themed(layout), { displayModeBar: false, responsive: true }));
  draw();

  // theme
  const button = document.getElementById("theme");
  const themes = ["auto", "light", "dark"];
  button.addEventListener("click", () => {
    const next = themes[(themes.indexOf(root.dataset.theme || "auto") + 1) % themes.length];
    root.dataset.theme = next;
    button.textContent = `theme: ${next}`;
    draw();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);

  // print: plots are drawn for the paper's width, and again for the window
  let before;
  addEventListener("beforeprint", () => {
    before = root.dataset.theme || "auto";
    root.dataset.theme = "light";
    plots.forEach(({ place, data, layout }) => {
      const width = place.closest(".three") ? 310 : 640;
      Plotly.react(place, data, { ...themed(layout), width, autosize: false });
    });
  });
  addEventListener("afterprint", () => {
    root.dataset.theme = before;
    draw();
  });

  // gallery: search and filter
  const cards = all(".card").map((card) => ({
    card,
    source: card.dataset.source,
    text: all(".id, .path, .text", card).map((part) => part.textContent).join("\n").toLowerCase(),
  }));
  const search = document.getElementById("search");
  const chips = all(".chip");
  let chosen = "";
  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const counts = { "": 0 };
    let shown = 0;
    for (const { card, source, text } of cards) {
      const matches = words.every((word) => text.includes(word));
      counts[source] = (counts[source] || 0) + matches;
      counts[""] += matches;
      card.hidden = !matches || (chosen !== "" && source !== chosen);
      shown += !card.hidden;
    }
    for (const chip of chips) {
      chip.setAttribute("aria-pressed", String(chip.dataset.source === chosen));
      chip.querySelector(".num").textContent = counts[chip.dataset.source] || 0;
    }
    document.getElementById("hits").textContent = `${shown} of ${cards.length} records`;
    document.getElementById("nothing").hidden = shown > 0;
  };
  if (search) {
    search.addEventListener("input", filter);
    document.getElementById("filter").addEventListener("submit", (event) => event.preventDefault());
    chips.forEach((chip) => chip.addEventListener("click", () => { chosen = chip.dataset.source; filter(); }));
    filter();
  }

  // gallery: long texts, and the box that belongs to a turn
  const gallery = document.getElementById("cards");
  gallery.addEventListener("click", ({ target }) => {
    if (!target.classList.contains("unfold")) return;
    const open = target.getAttribute("aria-expanded") !== "true";
    target.setAttribute("aria-expanded", String(open));
    target.textContent = target.textContent.replace(open ? "show all" : "show less of", open ? "show less of" : "show all");
    if (target.classList.contains("turns")) target.closest(".card").classList.toggle("whole", open);
    else target.previousElementSibling.classList.toggle("folded", !open);
  });
  const light = (target) => {
    all(".card[data-lit]").forEach((card) => {
      delete card.dataset.lit;
      all(".lit", card).forEach((part) => part.classList.remove("lit"));
    });
    const part = target && target.closest("[data-box]");
    if (!part) return;
    const card = part.closest(".card");
    const numbers = part.dataset.box.split(" ");
    card.dataset.lit = part.dataset.box;
    all("[data-box]", card)
      .filter((other) => other.dataset.box.split(" ").some((number) => numbers.includes(number)))
      .forEach((other) => other.classList.add("lit"));
  };
  ["pointerover", "focusin"].forEach((name) => gallery.addEventListener(name, ({ target }) => light(target)));
  ["pointerleave", "focusout"].forEach((name) => gallery.addEventListener(name, () => light(null)));
})();
