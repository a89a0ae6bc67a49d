// What scrolls by itself can be scrolled from the keyboard.
function reachable() {
  for (const box of document.querySelectorAll("pre, .table-wrapper, div.math"))
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
}
addEventListener("load", reachable);
addEventListener("resize", reachable);
