// Stands in for the package buffer in a browser: sentencepiece-js decodes base64 with it.

export const Buffer = {
  from: (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0)),
};
