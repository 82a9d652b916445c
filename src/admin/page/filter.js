// Filters of the page Requests (the language of `lbproxy log`), made of figures that are shown. The one
// place that writes them: values are quoted, so that a name a client or a file chose says nothing more.

/// A text that matches nothing but itself.
export const quoted = (text) => `"${String(text).replace(/["\\*]/g, '\\$&')}"`;

/// A field with this text.
export const is = (field, text) => `${field} = ${quoted(text)}`;

/// A service, or one endpoint of it.
export const place = (service, endpoint) => all(is('service', service), endpoint && is('endpoint', endpoint));

/// A class of status by its first digit; 0 for requests that got none.
export const statuses = (digit) => (digit ? `status = ${digit}xx` : 'status != *');

/// A time of at least so many microseconds.
export const atLeast = (field, us) => `${field} >= ${Math.floor(us)}us`;

const instant = (ms) => new Date(ms).toISOString();

/// What ended from one time on, and before another if there is one. In milliseconds since 1970.
export const between = (from, to) => all(from && `time >= ${instant(from)}`, to && `time < ${instant(to)}`);

/// All of these; what is absent asks nothing.
export const all = (...parts) => parts.filter(Boolean).join(' and ');

/// What somebody typed, and this too.
export const narrowed = (typed, part) => (typed ? `(${typed}) and ${part}` : part);

/// A value of a record, compared as its field is: with the unit that the record has it in.
export function same({ path, short, kind }, raw) {
  if (kind === 'span') return `${short} = ${path === 'event.duration' ? raw / 1000 : raw}us`;
  if (kind === 'size') return `${short} = ${raw}B`;
  return kind === 'text' ? is(short, raw) : `${short} = ${raw}`;
}

/// Where the requests are that a filter finds.
export function requests(...parts) {
  const filter = all(...parts);
  return `#/requests${filter ? `?${new URLSearchParams({ filter })}` : ''}`;
}
