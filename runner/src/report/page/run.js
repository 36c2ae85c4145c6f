"use strict";
(() => {
  // What is shared stands once, at the end of the page: it is put to where it is opened.
  const shared = (element) => document.getElementById(`at${element.dataset.at}`)?.querySelector("div");
  document.addEventListener("toggle", (event) => {
    const element = event.target;
    if (!(element instanceof HTMLDetailsElement) || !element.open || !element.dataset.at) return;
    const link = element.querySelector(":scope > a");
    const text = shared(element);
    if (link && text) link.replaceWith(text.cloneNode(true));
  }, true);

  const open = () => {
    const one = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (one instanceof HTMLDetailsElement) { one.open = true; one.scrollIntoView(); }
  };
  addEventListener("hashchange", open);
  open();

  const search = document.getElementById("search");
  if (!search) return;
  const bad = document.getElementById("bad");
  const found = document.getElementById("found");
  const cases = [...document.querySelectorAll(".case")];
  const rows = [...document.querySelectorAll(".verdicts tbody tr")];
  const texts = new Map();
  const text = (element) => {
    if (!texts.has(element)) {
      const places = [...element.querySelectorAll("[data-at]")].map((place) => shared(place)?.textContent ?? "");
      texts.set(element, [element.textContent, ...places].join("\n").toLowerCase());
    }
    return texts.get(element);
  };
  const narrow = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const names = new Set();
    let shown = 0;
    for (const one of cases) {
      const fits = (!bad.checked || "bad" in one.dataset) && words.every((word) => text(one).includes(word));
      one.hidden = !fits;
      if (fits) { shown += 1; names.add(one.dataset.name); }
    }
    for (const row of rows) row.hidden = !names.has(row.dataset.name);
    found.textContent = shown === cases.length ? "" : `${shown} of ${cases.length}`;
  };
  search.addEventListener("input", narrow);
  bad.addEventListener("change", narrow);
  for (const button of document.querySelectorAll("[data-find]")) {
    button.addEventListener("click", () => {
      search.value = search.value === button.dataset.find ? "" : button.dataset.find;
      narrow();
    });
  }
  document.addEventListener("keydown", (event) => {
    const typing = event.target instanceof Element && event.target.matches("input, textarea");
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) { event.preventDefault(); search.focus(); }
    if (event.key === "Escape" && event.target === search) { search.value = ""; narrow(); }
  });
})();
