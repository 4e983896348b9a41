// The download form: links are found in whatever is pasted or dropped and looked at, Enter begins, what differs is counted.
(() => {
  "use strict";

  const words = document.currentScript.dataset;

  const LINK = /https?:\/\/[^\s<>"']+/gi;
  // What ends a sentence is no part of the link in it.
  const AFTER_LINK = /[.,;:!?]+$/;
  const AFTER_LINK_OR_BRACKET = /[.,;:!?)\]]+$/;
  const LARGEST_FILE = 1_000_000;
  const AFTERWARDS_EMPTY = ["urls", "clip_start_sec", "clip_end_sec", "start_after", "tags"];

  const form = () => document.querySelector("[data-download-form]");
  const field = () => form().elements.urls;
  const isEditable = (element) => element.matches("input, textarea, select, [contenteditable]");

  // What brings a whole link; one that is written letter by letter is looked at when one leaves the field.
  const BRINGS = /^(insertFrom|insertReplacement|history)/;

  let looked = "";

  // The look of what is found out comes with the first link.
  const bringStyle = () => {
    if (document.querySelector(`link[href="${words.previewStyle}"]`)) return;
    document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href: words.previewStyle }));
  };

  // One link is looked at; of several, of none, or of one that is being written there is nothing to show.
  const look = (isWritten = false) => {
    const links = field().value.split("\n").filter((line) => line.trim());
    const link = links.length === 1 && /^\s*https?:\/\/\S+\s*$/i.test(links[0]) ? links[0].trim() : "";
    const place = form().querySelector("[data-preview]");
    if (link === looked && (!link || place.firstElementChild)) return;
    looked = isWritten ? "" : link;
    if (looked) {
      bringStyle();
      htmx.trigger(place, "look");
    } else {
      htmx.trigger(place, "htmx:abort");
      place.replaceChildren();
    }
  };

  const languages = () => {
    const { download_subtitles: wanted, subtitle_languages: named } = form().elements;
    return wanted.checked ? named.value.split(/[,\s]+/).filter(Boolean) : [];
  };

  const showLanguages = () => {
    for (const button of form().querySelectorAll("[data-language]")) {
      button.setAttribute("aria-pressed", languages().includes(button.dataset.language));
    }
  };

  const chooseLanguage = ({ language, automatic }) => {
    const { download_subtitles: wanted, subtitle_languages: named, auto_subtitles: machine } = form().elements;
    const others = languages().filter((other) => other !== language);
    const isChosen = !languages().includes(language);
    const chosen = isChosen ? [...others, language] : others;
    wanted.checked = chosen.length > 0;
    named.value = chosen.join(", ") || named.dataset.default;
    if (isChosen && automatic !== undefined) machine.checked = true;
    count();
  };

  const count = () => {
    // The offset at that time, which summer may make another than today's.
    const start = new Date(form().elements.start_after.value || Date.now());
    form().elements.utc_offset.value = -start.getTimezoneOffset();
    const lines = field().value.split("\n").filter((line) => line.trim()).length;
    form().querySelector("[data-submit-label]").textContent = lines > 1 ? words.downloadSeveral.replace("{count}", lines) : words.download;
    const differs = [...form().querySelectorAll(".options [data-default]")].filter((control) => {
      if (control.type === "checkbox" || control.type === "radio") {
        return control.checked !== (control.dataset.default === "on");
      }
      return control.value !== control.dataset.default;
    });
    form().querySelector("[data-options-chosen]").textContent = differs.length
      ? words.changed.replace("{count}", differs.length)
      : "";
    showLanguages();
  };

  const prepare = () => {
    form().querySelector('label[for="id_start_after"]').textContent = words.startAfter;
    count();
  };

  // Returns whether there was a link in the text. `before`: what stays of the field.
  const take = (text, before = field().value) => {
    const links = text.match(LINK)?.map((link) => link.replace(link.includes("(") ? AFTER_LINK : AFTER_LINK_OR_BRACKET, ""));
    if (!links) return false;
    const kept = before.split("\n").filter((line) => line.trim());
    field().value = [...new Set([...kept, ...links])].join("\n");
    field().focus();
    count();
    look();
    return true;
  };

  const afterSuccess = () => {
    for (const name of AFTERWARDS_EMPTY) form().elements[name].value = "";
    for (const errors of form().querySelectorAll(".field-errors, .errorlist")) errors.remove();
    for (const wrong of form().querySelectorAll(".is-wrong")) wrong.classList.remove("is-wrong");
    for (const wrong of form().querySelectorAll("[aria-invalid]")) wrong.removeAttribute("aria-invalid");
    document.getElementById("announcer").textContent = words.queued;
    field().focus();
    count();
    look();
  };

  document.addEventListener("paste", (event) => {
    const isOurs = event.target === field();
    if (!isOurs && isEditable(event.target)) return;
    const text = event.clipboardData.getData("text");
    if (!isOurs) {
      if (take(text)) event.preventDefault();
      return;
    }
    const { value, selectionStart, selectionEnd } = field();
    const before = value.slice(0, selectionStart);
    // Within a line that is being written, a paste is just a paste.
    const isOfLines = selectionStart === selectionEnd || /(^|\n)$/.test(before);
    if (selectionEnd === value.length && isOfLines && take(text, before)) event.preventDefault();
  });

  // A field takes text by itself; a file that is dropped on it would be opened.
  document.addEventListener("dragover", (event) => {
    if (!isEditable(event.target) || event.dataTransfer.types.includes("Files")) event.preventDefault();
  });
  // A text file of links is as good as the links. What is no text has none.
  const takeFiles = async (files) => {
    const texts = await Promise.all(files.filter((file) => file.size <= LARGEST_FILE).map((file) => file.text()));
    if (!take(texts.join("\n"))) htmx.trigger(document.body, "notice", { level: "warning", text: words.noLink });
  };

  document.addEventListener("drop", (event) => {
    const files = [...event.dataTransfer.files];
    if (files.length) {
      event.preventDefault();
      takeFiles(files);
      return;
    }
    const dropped = event.dataTransfer.getData("text/uri-list") || event.dataTransfer.getData("text/plain");
    if (take(dropped)) event.preventDefault();
  });

  document.addEventListener("keydown", (event) => {
    if (event.target === field() && event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      form().requestSubmit();
    }
  });
  document.addEventListener("input", (event) => {
    if (form().contains(event.target)) count();
    if (event.target === field()) look(!BRINGS.test(event.inputType));
  });
  document.addEventListener("change", (event) => {
    if (event.target.name === "cookies_id") looked = "";
    if (event.target === field() || event.target.name === "cookies_id") look();
  });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-language]");
    if (button) chooseLanguage(button.dataset);
    if (!event.target.closest("[data-reset]")) return;
    event.preventDefault();
    for (const control of form().querySelectorAll(".options [data-default]")) {
      if (control.type === "checkbox") control.checked = control.dataset.default === "on";
      else control.value = control.dataset.default;
    }
    count();
  });

  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.elt === form() && event.detail.xhr.status === 200) afterSuccess();
  });
  document.addEventListener("htmx:afterSettle", (event) => {
    showLanguages();
    if (!event.detail.elt.contains(form()) && event.detail.elt !== form()) return;
    prepare();
    look();
    form().querySelector("[aria-invalid]")?.focus();
  });

  prepare();
  // After htmx has taken the page in.
  document.addEventListener("DOMContentLoaded", () => look());
})();
