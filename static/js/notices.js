// Short messages at the foot of the page: what the server says after a button (HX-Trigger: notice), and its refusals.
(() => {
  "use strict";

  const LASTS_MS = 7000;
  const toasts = document.getElementById("toasts");

  const icon = (name) => {
    const known = document.querySelector(".icon use").getAttribute("href").split("#")[0];
    const template = document.createElement("template");
    template.innerHTML = '<svg class="icon" aria-hidden="true" focusable="false"><use/></svg>';
    template.content.querySelector("use").setAttribute("href", `${known}#${name}`);
    return template.content;
  };

  const show = (level, text) => {
    const toast = document.createElement("div");
    toast.className = `notice notice-${level}`;
    const words = document.createElement("span");
    words.textContent = text;
    const close = document.createElement("button");
    close.type = "button";
    close.setAttribute("aria-label", "Close");
    close.append(icon("cancel"));
    close.addEventListener("click", () => toast.remove());
    toast.append(icon(level === "success" ? "check" : "alert"), words, close);
    toasts.append(toast);
    if (level === "success") setTimeout(() => toast.remove(), LASTS_MS);
    while (toasts.children.length > 3) toasts.firstChild.remove();
  };

  const refusal = (xhr) => {
    if (xhr.status === 429) {
      return `That was a bit much at once. Try again in ${xhr.getResponseHeader("Retry-After") || "a few"} seconds.`;
    }
    if (xhr.status === 403) return "This page is out of date. Load it again.";
    if (xhr.status === 404) return "It is not there any more.";
    return "The server could not do that now. Try again in a moment.";
  };

  document.body.addEventListener("notice", (event) => show(event.detail.level, event.detail.text));
  document.body.addEventListener("htmx:responseError", (event) => show("error", refusal(event.detail.xhr)));
  document.body.addEventListener("htmx:sendError", () => show("error", "The server cannot be reached."));

  // Whoever is signed out is led to the sign-in page, and does not get it in the middle of this one.
  document.body.addEventListener("htmx:beforeSwap", (event) => {
    if (new URL(event.detail.xhr.responseURL).pathname.startsWith("/accounts/sign-in")) {
      event.detail.shouldSwap = false;
      location.reload();
    }
  });
})();
