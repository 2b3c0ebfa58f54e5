// OpenID Connect Session Management 1.0 §3.2: tells a client whether the session is still the one that it knows.
// Old syntax on purpose: this runs in frames of pages that others made. SHA-256 is FIPS 180-4 §6.2, here because
// crypto.subtle answers later and only where the context is secure.
(function () {
  "use strict";

  var cookie = document.currentScript.getAttribute("data-cookie");

  function browserState() {
    var pairs = document.cookie.split("; ");
    for (var i = 0; i < pairs.length; i += 1) {
      if (pairs[i].indexOf(cookie + "=") === 0) return pairs[i].slice(cookie.length + 1);
    }
    return "";
  }

  function fraction(root) {
    return ((root - Math.floor(root)) * 4294967296) | 0;
  }

  // The first 64 primes, of whose roots the constants are made.
  var primes = [];
  for (var n = 2; primes.length < 64; n += 1) {
    if (primes.every(function (p) { return n % p !== 0; })) primes.push(n);
  }

  function rotated(word, by) {
    return (word >>> by) | (word << (32 - by));
  }

  /** SHA-256 of ASCII text, in lower-case hexadecimal. */
  function sha256(text) {
    var hash = primes.slice(0, 8).map(function (p) { return fraction(Math.pow(p, 1 / 2)); });
    var round = primes.map(function (p) { return fraction(Math.pow(p, 1 / 3)); });
    var words = [];
    var i;
    for (i = 0; i < text.length; i += 1) {
      words[i >> 2] |= (text.charCodeAt(i) & 255) << (24 - 8 * (i % 4));
    }
    words[i >> 2] |= 128 << (24 - 8 * (i % 4));
    var length = (((text.length + 8) >> 6) + 1) * 16;
    for (i = 0; i < length; i += 1) words[i] |= 0;
    words[length - 1] = text.length * 8;
    for (var block = 0; block < length; block += 16) {
      var w = words.slice(block, block + 16);
      var v = hash.slice();
      for (i = 0; i < 64; i += 1) {
        if (i > 15) {
          var a = w[i - 15];
          var b = w[i - 2];
          w[i] = (w[i - 16] + (rotated(a, 7) ^ rotated(a, 18) ^ (a >>> 3)) +
            w[i - 7] + (rotated(b, 17) ^ rotated(b, 19) ^ (b >>> 10))) | 0;
        }
        var one = (v[7] + (rotated(v[4], 6) ^ rotated(v[4], 11) ^ rotated(v[4], 25)) +
          ((v[4] & v[5]) ^ (~v[4] & v[6])) + round[i] + w[i]) | 0;
        var two = ((rotated(v[0], 2) ^ rotated(v[0], 13) ^ rotated(v[0], 22)) +
          ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]))) | 0;
        v = [(one + two) | 0, v[0], v[1], v[2], (v[3] + one) | 0, v[4], v[5], v[6]];
      }
      for (i = 0; i < 8; i += 1) hash[i] = (hash[i] + v[i]) | 0;
    }
    return hash.map(function (word) { return ("0000000" + (word >>> 0).toString(16)).slice(-8); }).join("");
  }

  window.addEventListener("message", function (event) {
    var parts = typeof event.data === "string" ? event.data.split(" ") : [];
    var dot = parts.length === 2 ? parts[1].lastIndexOf(".") : -1;
    var answer = "error";
    if (dot > 0) {
      var salt = parts[1].slice(dot + 1);
      var expected = sha256([parts[0], event.origin, browserState(), salt].join(" ")) + "." + salt;
      answer = expected === parts[1] ? "unchanged" : "changed";
    }
    if (event.source && event.source !== window) event.source.postMessage(answer, event.origin);
  }, false);
})();
