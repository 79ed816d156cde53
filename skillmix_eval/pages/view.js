"use strict";
// What the pages of `skillmix view` share.
function el(tag, properties, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children.filter(child => child !== null && child !== ""));
  return node;
}
const at = id => document.getElementById(id);
