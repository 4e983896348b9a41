// Lets ReDoc run under a strict content security policy: its styles get the page's nonce, and pictures from elsewhere
// are left out instead of being refused loudly.
"use strict";

const { nonce } = document.getElementById("redoc").dataset;
const create = Document.prototype.createElement;

Document.prototype.createElement = function (name, ...options) {
  const element = create.call(this, name, ...options);
  if (element instanceof HTMLStyleElement) element.nonce = nonce;
  if (element instanceof HTMLImageElement) keepToThisSite(element);
  return element;
};

function keepToThisSite(image) {
  const set = (value) => {
    image.hidden = new URL(value, location.href).origin !== location.origin;
    if (!image.hidden) Element.prototype.setAttribute.call(image, "src", value);
  };
  Object.defineProperty(image, "src", { set });
  image.setAttribute = (name, value) => {
    if (name === "src") set(value);
    else Element.prototype.setAttribute.call(image, name, value);
  };
}
