// Starts ReDoc under a strict content security policy: its styles get the page's nonce, and pictures from elsewhere
// are left out instead of being refused loudly.
"use strict";

const container = document.getElementById("redoc");
const { nonce, schema } = container.dataset;
const create = Document.prototype.createElement;

Document.prototype.createElement = function (name, ...options) {
  const element = create.call(this, name, ...options);
  if (element instanceof HTMLStyleElement) element.nonce = nonce;
  if (element instanceof HTMLImageElement) keepToThisSite(element);
  return element;
};

function keepToThisSite(image) {
  image.setAttribute = (name, value) => {
    const isElsewhere = name === "src" && new URL(value, location.href).origin !== location.origin;
    if (!isElsewhere) Element.prototype.setAttribute.call(image, name, value);
  };
}

// Its search needs a worker made of a blob.
Redoc.init(schema, { disableSearch: true, hideHostname: true, nativeScrollbars: true }, container);
