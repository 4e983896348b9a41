// Buttons with data-copy="ID" copy the value of that field. They are hidden where this does not run.
for (const button of document.querySelectorAll("button[data-copy]")) {
  const field = document.getElementById(button.dataset.copy);
  const status = document.querySelector("[data-copy-status]");
  button.hidden = false;
  button.addEventListener("click", async () => {
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
      status.textContent = "Copied.";
    } catch {
      // Without HTTPS there is no clipboard: the text is selected, and the keyboard does the rest.
      status.textContent = "Selected: copy it with your keyboard.";
    }
  });
}
