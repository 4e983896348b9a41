"use strict";

const container = document.getElementById("redoc");

// Its search needs a worker made of a blob.
Redoc.init(container.dataset.schema, { disableSearch: true, hideHostname: true, nativeScrollbars: true }, container);
