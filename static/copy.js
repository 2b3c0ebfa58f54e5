// Adds a copy button to every element that asks for one. Pages are complete without it.
(function () {
  "use strict";
  if (!navigator.clipboard) {
    return;
  }

  function label(button, text) {
    button.textContent = text;
    window.setTimeout(function () { button.textContent = "Copy"; }, 1600);
  }

  function attach(source) {
    var button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.setAttribute("aria-label", "Copy " + source.getAttribute("data-copy"));
    button.addEventListener("click", function () {
      navigator.clipboard.writeText(source.textContent).then(
        function () { label(button, "Copied"); },
        function () { label(button, "Failed"); }
      );
    });
    source.parentNode.insertBefore(button, source);
  }

  Array.prototype.forEach.call(document.querySelectorAll("[data-copy]"), attach);
}());
