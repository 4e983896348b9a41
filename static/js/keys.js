// Single keys for those who like them: to pages, into the search, up and down lists. They can be switched off (WCAG 2.1.4).
(() => {
  "use strict";

  const words = document.currentScript.dataset;
  const OFF = "without-shortcuts";
  const STYLE = "link[data-keys]";
  const GO_MS = 1500;
  const WRITES = "input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable], video, audio";
  const ROWS = "main :is(.row, .job-card, .pick)";
  let goesUntil = 0;

  const isOff = () => localStorage.getItem(OFF) !== null;

  // --- The sheet that lists them: a part of the page of help ---------------------------------------------------

  const drawSwitch = (sheet) => {
    const label = document.createElement("label");
    label.className = "check";
    const box = document.createElement("input");
    box.type = "checkbox";
    box.checked = !isOff();
    box.addEventListener("change", () => (box.checked ? localStorage.removeItem(OFF) : localStorage.setItem(OFF, "1")));
    label.append(box, words.switch);
    sheet.append(label);
  };

  const draw = (section) => {
    const sheet = document.createElement("dialog");
    sheet.className = "sheet";
    const title = section.querySelector("h2");
    sheet.setAttribute("aria-label", title.textContent);
    section.removeAttribute("id");
    const form = document.createElement("form");
    form.method = "dialog";
    const close = document.createElement("button");
    close.className = "button";
    close.autofocus = true;
    close.textContent = words.close;
    form.append(title, close);
    sheet.append(form, section);
    drawSwitch(sheet);
    sheet.addEventListener("close", () => sheet.remove());
    sheet.addEventListener("click", (event) => event.target === sheet && sheet.close());
    document.body.append(sheet);
    sheet.showModal();
  };

  const show = async () => {
    try {
      const answer = await fetch(words.help);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const style = page.querySelector(STYLE);
      style.onload = style.onerror = () => draw(page.getElementById("keyboard"));
      document.head.append(style);
    } catch {
      location.assign(`${words.help}#keyboard`);
    }
  };

  // --- What they do --------------------------------------------------------------------------------------------

  const row = () => document.activeElement.closest(ROWS);

  const step = (by) => {
    const rows = [...document.querySelectorAll(ROWS)];
    const next = rows[row() ? rows.indexOf(row()) + by : by > 0 ? 0 : rows.length - 1];
    (next?.querySelector(".job-title a") ?? next?.querySelector("input"))?.focus();
  };

  const enter = (fields) => {
    const field = document.querySelector(fields);
    if (field) field.focus();
    else location.assign(words.home);
  };

  const DO = {
    "?": show,
    "/": () => enter("main input[type=search], #id_urls"),
    n: () => enter("#id_urls"),
    j: () => step(1),
    k: () => step(-1),
    x: () => row()?.querySelector("input[type=checkbox]")?.click(),
    g: () => {
      goesUntil = Date.now() + GO_MS;
    },
  };

  const press = (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || event.defaultPrevented) return;
    if (isOff() || event.target.closest(WRITES) || document.querySelector("dialog[open]")) return;
    const link = Date.now() < goesUntil && document.querySelector(`[data-go="${CSS.escape(event.key)}"]`);
    goesUntil = 0;
    const act = link ? () => link.click() : Object.hasOwn(DO, event.key) && DO[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  };

  document.addEventListener("keydown", press);
  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-shortcuts]")) return;
    event.preventDefault();
    show();
  });
})();
