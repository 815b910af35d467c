// Does the work of a form in a rush, so that nobody need copy a code: looks for
// a number so that the SHA-256 of challenge:number begins with enough zero bits,
// puts it into the form and sends it. No library, nothing loaded, no network.
(function () {
  'use strict';
  var form = document.getElementById('step');
  var bits = form && Number(form.getAttribute('data-bits'));
  if (!bits) return;
  var status = document.getElementById('step-status');
  var begin = form.elements.challenge.value + ':';
  var K = [], H = [], n = 2;
  while (K.length < 64) { // the fractions of the roots of the first primes
    var prime = true;
    for (var d = 2; d * d <= n; d++) if (n % d === 0) { prime = false; break; }
    if (prime) {
      if (H.length < 8) H.push(fraction(Math.sqrt(n)));
      K.push(fraction(Math.cbrt(n)));
    }
    n++;
  }
  function fraction(x) { return ((x - Math.floor(x)) * 4294967296) | 0; }
  function turn(x, by) { return (x >>> by) | (x << (32 - by)); }
  var w = new Int32Array(64);

  // first is the first 32 bits of the hash of a text of at most 55 characters,
  // which is one block.
  function first(text) {
    var i;
    for (i = 0; i < 16; i++) w[i] = 0;
    for (i = 0; i < text.length; i++) w[i >> 2] |= text.charCodeAt(i) << (24 - 8 * (i & 3));
    w[i >> 2] |= 128 << (24 - 8 * (i & 3));
    w[15] = text.length * 8;
    for (i = 16; i < 64; i++) {
      var x = w[i - 15], y = w[i - 2];
      w[i] = (w[i - 16] + (turn(x, 7) ^ turn(x, 18) ^ (x >>> 3)) + w[i - 7] + (turn(y, 17) ^ turn(y, 19) ^ (y >>> 10))) | 0;
    }
    var a = H[0], b = H[1], c = H[2], d = H[3], e = H[4], f = H[5], g = H[6], h = H[7];
    for (i = 0; i < 64; i++) {
      var s = (h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0;
      var t = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g; g = f; f = e; e = (d + s) | 0; d = c; c = b; b = a; a = (s + t) | 0;
    }
    return (H[0] + a) | 0;
  }

  var number = 0;
  function some() { // a little at a time, so that the page stays alive
    for (var end = number + 4000; number < end; number++) {
      if (first(begin + number) >>> (32 - bits) === 0) {
        form.elements.number.value = String(number);
        status.textContent = status.getAttribute('data-done');
        form.submit();
        return;
      }
    }
    setTimeout(some, 0);
  }
  status.textContent = status.getAttribute('data-busy');
  setTimeout(some, 0);
})();
