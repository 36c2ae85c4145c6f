"use strict";
(() => {
  const all = (selector, of = document) => [...of.querySelectorAll(selector)];
  // What is shared stands once, at the end of the page: it is put to where it is opened.
  const shared = (link) => document.getElementById(link.hash.slice(1));
  const links = (element) => all(":scope > a[href^='#at']", element);
  const fill = (element) => {
    for (const link of links(element)) {
      const copy = shared(link)?.cloneNode(true);
      if (copy) { copy.removeAttribute("id"); link.replaceWith(copy); }
    }
  };
  document.addEventListener("toggle", ({ target: element }) => {
    if (!(element instanceof HTMLDetailsElement) || !element.open) return;
    fill(element);
    if (element.matches(".case")) {
      // A scenario has its link, and a command a button that copies it.
      all(".scenario", element).forEach((one, at) => { one.id = `${element.id}:${at + 1}`; heading(one); });
      copied(element);
    }
  }, true);
  const heading = (one) => {
    const title = one.querySelector("h3");
    if (title.querySelector("a")) return;
    const link = document.createElement("a");
    link.href = `#${one.id}`;
    link.textContent = "link";
    title.append(" ", link);
  };
  const copied = (element) => {
    const code = element.querySelector(".again code");
    if (!code || element.querySelector(".again button")) return;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "copy";
    button.addEventListener("click", async () => {
      try { await navigator.clipboard.writeText(code.textContent); button.textContent = "copied"; }
      catch { getSelection().selectAllChildren(code); button.textContent = "selected"; }
    });
    code.after(" ", button);
  };
  // What is open when the page is, had nothing to be opened.
  for (const one of all(".case[open]")) one.dispatchEvent(new Event("toggle"));

  const open = () => {
    const name = decodeURIComponent(location.hash.slice(1));
    const one = name && document.getElementById(name.split(":")[0]);
    if (!(one instanceof HTMLDetailsElement)) return;
    one.hidden = false;
    one.open = true;
    one.dispatchEvent(new Event("toggle"));
    (document.getElementById(name) ?? one).scrollIntoView();
  };
  addEventListener("hashchange", open);
  open();

  // A box of a flame graph is enlarged by hiding what stands beside it and beside its callers.
  for (const graph of all(".boxes")) {
    const enlarge = (item) => {
      for (const one of all("li", graph)) { one.hidden = false; one.classList.remove("in"); }
      for (let one = item; one && graph.contains(one); one = one.parentElement.closest("li")) {
        one.classList.add("in");
        for (const other of one.parentElement.children) other.hidden = other !== one;
      }
    };
    const first = graph.querySelector("li");
    let at = first;
    const go = (item) => { if (item) { at.classList.remove("at"); at = item; at.classList.add("at"); at.scrollIntoView({ block: "nearest" }); } };
    graph.addEventListener("click", ({ target }) => { const item = target.closest("li"); if (item) { go(item); enlarge(item); } });
    graph.addEventListener("mouseover", ({ target }) => { if (target.dataset.b) target.title = `${target.textContent}: ${target.dataset.b}`; });
    graph.addEventListener("keydown", (event) => {
      const to = { ArrowLeft: at.previousElementSibling, ArrowRight: at.nextElementSibling,
        ArrowUp: at.parentElement.closest(".boxes li"), ArrowDown: at.querySelector("li") };
      if (event.key in to) go(to[event.key]);
      else if (event.key === "Enter") enlarge(at);
      else if (event.key === "Escape") enlarge(first);
      else return;
      event.preventDefault();
    });
  }

  const search = document.getElementById("search");
  if (!search) return;
  const found = document.getElementById("found");
  const cases = all(".case");
  const rows = all(".verdicts tbody tr");
  const texts = new Map();
  const text = (element) => {
    if (!texts.has(element)) {
      const parts = all("a[href^='#at']", element).map((link) => shared(link)?.textContent ?? "");
      texts.set(element, [element.textContent, ...parts].join("\n").toLowerCase());
    }
    return texts.get(element);
  };
  const pressed = () => new Set(all("[data-outcome][aria-pressed=true]").map((button) => button.dataset.outcome));
  const narrow = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const outcomes = pressed();
    const names = new Set();
    let shown = 0;
    for (const one of cases) {
      const fits = (!outcomes.size || outcomes.has(one.dataset.status)) && words.every((word) => text(one).includes(word));
      one.hidden = !fits;
      if (fits) { shown += 1; names.add(one.dataset.name); }
    }
    for (const row of rows) row.hidden = !names.has(row.dataset.name);
    for (const button of all("[data-find]")) button.setAttribute("aria-pressed", button.dataset.find === search.value);
    for (const name of all(".boxes b")) name.classList.toggle("hit", words.length > 0 && words.every((word) => name.textContent.toLowerCase().includes(word)));
    found.textContent = shown === cases.length ? "" : `${shown} of ${cases.length}`;
  };
  search.addEventListener("input", narrow);
  for (const button of all("[data-find]")) {
    button.addEventListener("click", () => {
      search.value = search.value === button.dataset.find ? "" : button.dataset.find;
      narrow();
    });
  }
  for (const button of all("[data-outcome]")) {
    button.addEventListener("click", () => {
      button.setAttribute("aria-pressed", button.getAttribute("aria-pressed") !== "true");
      narrow();
    });
  }
  const toggle = document.getElementById("all");
  toggle.addEventListener("click", () => {
    const opens = toggle.textContent === "open all";
    for (const one of cases) if (!one.hidden) one.open = opens;
    toggle.textContent = opens ? "close all" : "open all";
  });
  // A press on a column's head sorts by it, another one the other way round.
  const body = document.querySelector(".verdicts tbody");
  all(".verdicts thead th").forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of all(".verdicts thead th")) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = (row) => row.cells[column].dataset.number ?? row.cells[column].textContent;
      const order = (a, b) => key(a).localeCompare(key(b), "en", { numeric: true });
      body.append(...[...rows].sort((a, b) => (down ? order(b, a) : order(a, b))));
    });
  });
  // The next one that failed, and the one before.
  const bad = () => cases.filter((one) => !one.hidden && ["FAILED", "not supported"].includes(one.dataset.status));
  const next = (step) => {
    const list = bad();
    const tops = list.map((one) => one.getBoundingClientRect().top);
    const one = step > 0 ? list[tops.findIndex((top) => top > 20)] : list[tops.findLastIndex((top) => top < -20)];
    if (one) { one.open = true; one.scrollIntoView(); one.querySelector("summary").focus({ preventScroll: true }); }
  };
  document.addEventListener("keydown", (event) => {
    const typing = event.target instanceof Element && event.target.matches("input, textarea");
    if (event.key === "Escape" && event.target === search) { search.value = ""; narrow(); }
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") { event.preventDefault(); search.focus(); }
    if (event.key === "n") next(1);
    if (event.key === "p") next(-1);
  });
})();
