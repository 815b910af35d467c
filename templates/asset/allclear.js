// Shows every time of the page in the visitor's zone too, beside UTC, and offers
// that zone where a form asks for one. All of the page works without.
(function () {
  'use strict';
  var zone = window.Intl && Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (!zone) return;

  var fields = document.querySelectorAll('input[name=timezone], select[name=timezone]');
  for (var i = 0; i < fields.length; i++) {
    if (fields[i].value) continue;
    fields[i].value = zone;
    if (fields[i].value !== zone) fields[i].value = ''; // a list that does not have it
  }

  if (/^(Etc\/)?(UTC|UCT|Universal|Zulu)$/.test(zone)) return;

  // The page's language as the visitor's country writes it, in the digits in
  // which the server writes: one page has one kind.
  var html = document.documentElement, locale = html.lang || 'en';
  var own = (navigator.languages || []).filter(function (l) { return l.split('-')[0] === locale.split('-')[0]; });
  locale = (own[0] || locale).split('-u-')[0] + '-u-nu-latn';
  var both = document.body.getAttribute('data-both') || '{utc} ({own})';

  function format(where, what) {
    what.timeZone = where;
    return new Intl.DateTimeFormat(locale, what);
  }
  var dayThere = format('UTC', {year: 'numeric', month: 'numeric', day: 'numeric'});
  var dayHere = format(zone, {year: 'numeric', month: 'numeric', day: 'numeric'});
  function clock() { return {hour: '2-digit', minute: '2-digit', hourCycle: 'h23', timeZoneName: 'short'}; }
  function dated() { var d = clock(); d.month = 'short'; d.day = 'numeric'; return d; }
  var sameDay = format(zone, clock()), otherDay = format(zone, dated());

  var times = document.querySelectorAll('time[datetime]');
  for (i = 0; i < times.length; i++) show(times[i]);

  function show(time) {
    var from = new Date(time.getAttribute('datetime')), text = time.textContent;
    var until = time.hasAttribute('data-until') ? new Date(time.getAttribute('data-until')) : from;
    if (isNaN(from) || isNaN(until) || text.indexOf('UTC') < 0) return;
    // The day is said where it is another one than by UTC, or not one only.
    var day = dayHere.format(from);
    var how = day === dayThere.format(from) && day === dayThere.format(until) && day === dayHere.format(until) ? sameDay : otherDay;
    var own = until > from && how.formatRange ? how.formatRange(from, until) : how.format(from);
    if (until > from && !how.formatRange) own += ' – ' + how.format(until);
    var utc = text.replace(/\s*[(（][^()（）]*[)）]/g, ''); // the service's zone makes room for the visitor's
    if (!time.dir) time.dir = html.dir; // within a text that runs the other way it has one
    time.textContent = both.replace('{utc}', function () { return utc; }).replace('{own}', function () { return own; });
  }
})();
