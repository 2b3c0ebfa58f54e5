// Submits the form_post response as soon as it is parsed; without scripts, the visible button does.
(function () {
  "use strict";
  var form = document.getElementById("form_post");
  if (form) {
    form.submit();
  }
}());
