// Keeps what pages show of the work fresh. All of the console works without: a
// page that is loaded again shows the same.
(function () {
  'use strict';
  var live = document.querySelector('[data-live]');
  if (!live || !window.EventSource) return;
  var source = new EventSource(live.getAttribute('data-live'));
  source.addEventListener('part', function (e) {
    var at = document.getElementById('live');
    if (!at) return;
    var page = new DOMParser().parseFromString(e.data, 'text/html'), fresh = page.getElementById('live');
    if (!fresh) return;
    at.replaceChildren.apply(at, Array.prototype.slice.call(document.importNode(fresh, true).childNodes));
    document.dispatchEvent(new Event('fresh'));
  });
  var over = false;
  source.addEventListener('end', function () { over = true; source.close(); });
  source.addEventListener('error', function () {
    if (over || source.readyState !== 2 || document.getElementById('not-live')) return;
    var says = document.createElement('p');
    says.id = 'not-live';
    says.className = 'warnings';
    says.setAttribute('role', 'status');
    says.textContent = 'Not live any more: reload the page.';
    live.before(says);
  });
})();
// Shows what is typed as readers will get it, a moment after the last key. A
// button does the same without.
(function () {
  'use strict';
  var form = document.querySelector('form[data-preview]'), button = document.getElementById('preview-button');
  if (!form || !button || !form.requestSubmit) return;
  var soon = 0;
  function later() {
    clearTimeout(soon);
    document.querySelectorAll('[data-as-typed], [data-stale]').forEach(function (e) { e.hidden = false; });
    soon = setTimeout(function () { form.requestSubmit(button); }, 700);
  }
  form.addEventListener('input', later);
  form.addEventListener('submit', function () { clearTimeout(soon); });
})();
