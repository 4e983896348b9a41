// Short messages at the foot of the page: what the server says after a button (HX-Trigger: notice), its refusals, and
// for the eye what has ended (live.js).
(() => {
  "use strict";

  const LASTS_MS = 7000;
  const LINGERS_MS = 2000;
  const words = document.currentScript.dataset;
  const toasts = document.getElementById("toasts");
  const ended = document.getElementById("ended");

  const icon = (name) => {
    const known = document.querySelector(".icon use").getAttribute("href").split("#")[0];
    const template = document.createElement("template");
    template.innerHTML = '<svg class="icon" aria-hidden="true" focusable="false"><use/></svg>';
    template.content.querySelector("use").setAttribute("href", `${known}#${name}`);
    return template.content;
  };

  // Not from under a hand or the focus, nor while nobody looks.
  const withdraw = (toast) => {
    if (document.hidden || toast.matches(":hover, :focus-within")) setTimeout(withdraw, LINGERS_MS, toast);
    else toast.remove();
  };

  const show = (place, { level, text, address }) => {
    const toast = document.createElement("div");
    toast.className = `notice notice-${level}`;
    const said = document.createElement(address ? "a" : "span");
    if (address) said.href = address;
    said.textContent = text;
    const close = document.createElement("button");
    close.type = "button";
    close.setAttribute("aria-label", words.close);
    close.append(icon("cancel"));
    close.addEventListener("click", () => toast.remove());
    toast.append(icon(level === "success" ? "check" : "alert"), said, close);
    place.append(toast);
    if (level === "success") setTimeout(withdraw, LASTS_MS, toast);
    while (place.children.length > 3) place.firstChild.remove();
  };

  const wait = (seconds) => {
    const forms = JSON.parse(words.tooMany);
    const form = new Intl.PluralRules(document.documentElement.lang).select(seconds);
    return (forms[form] ?? forms.other).replace("{seconds}", seconds);
  };

  const refusal = (xhr) => {
    if (xhr.status === 429) return wait(Number(xhr.getResponseHeader("Retry-After")) || 60);
    if (xhr.status === 403) return words.outdated;
    if (xhr.status === 404) return words.missing;
    return words.failed;
  };

  document.body.addEventListener("notice", (event) => show(toasts, event.detail));
  document.body.addEventListener("ended", (event) => show(ended, event.detail));
  document.body.addEventListener("htmx:responseError", (event) => show(toasts, { level: "error", text: refusal(event.detail.xhr) }));
  document.body.addEventListener("htmx:sendError", () => show(toasts, { level: "error", text: words.unreachable }));

  // Whoever is signed out is led to the sign-in page, and does not get it in the middle of this one.
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    if (new URL(event.detail.xhr.responseURL).pathname.startsWith("/accounts/sign-in")) {
      event.detail.shouldSwap = false;
      location.reload();
    }
  });
})();
