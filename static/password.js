// Adds a button to every password field that shows what was typed. Pages are complete without it.
(function () {
  "use strict";

  function attach(field) {
    var button = document.createElement("button");
    var label = document.querySelector('label[for="' + field.id + '"]');
    var row = document.createElement("div");
    button.type = "button";
    button.className = "show";
    button.setAttribute("aria-controls", field.id);

    function show(shown) {
      field.type = shown ? "text" : "password";
      button.textContent = shown ? "Hide" : "Show";
      button.setAttribute("aria-label", (shown ? "Hide: " : "Show: ") + (label ? label.textContent : "password"));
    }

    button.addEventListener("click", function () {
      show(field.type === "password");
      field.focus();
    });
    // What is sent is a password again, so that no browser remembers it as a text.
    field.form.addEventListener("submit", function () { show(false); });
    row.className = "revealing";
    field.parentNode.insertBefore(row, field);
    row.appendChild(field);
    row.appendChild(button);
    show(false);
  }

  Array.prototype.forEach.call(document.querySelectorAll('input[type="password"]'), attach);
}());
