// Numbers for people: units always, two or three digits that matter, thin spaces between thousands.

const THIN = '\u202f';
const NONE = '–';

/// 1 234 567
export function count(n) {
  if (n === null || n === undefined) return NONE;
  return String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, THIN);
}

/// Three digits that matter.
function digits(n) {
  if (n >= 1000) return count(n);
  if (n >= 100) return n.toFixed(0);
  if (n >= 10) return n.toFixed(1);
  return n.toFixed(2);
}

/// A rate without its unit: 12.3
export function rate(n) {
  if (n === null || n === undefined) return NONE;
  if (n === 0) return '0';
  return n < 0.01 ? '<0.01' : digits(n);
}

/// A span given in microseconds: 850 µs, 12.4 ms, 1.20 s
export function micros(us) {
  if (us === null || us === undefined) return NONE;
  if (us === 0) return '0';
  if (us < 1000) return `${Math.round(us)}${THIN}µs`;
  if (us < 1e6) return `${digits(us / 1000)}${THIN}ms`;
  return us < 60e6 ? `${digits(us / 1e6)}${THIN}s` : span(us / 1e6);
}

/// Bytes: 512 B, 1.25 MiB
export function bytes(n) {
  if (n === null || n === undefined) return NONE;
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  while (n >= 1024 && unit < units.length - 1) {
    n /= 1024;
    unit += 1;
  }
  const text = unit === 0 || Number.isInteger(n) ? String(Math.round(n)) : digits(n);
  return `${text}${THIN}${units[unit]}`;
}

/// Bytes per second.
export const bandwidth = (n) => (n === null || n === undefined ? NONE : `${bytes(n)}/s`);

/// A share: 1.5 %. What is not all or nothing never looks like it.
export function share(part, whole) {
  if (!whole) return NONE;
  const percent = (part / whole) * 100;
  if (part === whole || part === 0) return `${percent.toFixed(part ? 0 : 1)}${THIN}%`;
  if (percent < 0.1) return `<0.1${THIN}%`;
  if (percent >= 99.99) return `>99.99${THIN}%`;
  const places = percent >= 99 ? 2 : 1;
  const cut = Math.floor(percent * 10 ** places) / 10 ** places;
  return `${(percent > 50 ? cut : percent).toFixed(places)}${THIN}%`;
}

/// A ratio as a share.
export const ratio = (value) => (value === null || value === undefined ? NONE : `${(value * 100).toFixed(1)}${THIN}%`);

/// Seconds in words: 45 s, 12 min, 3 h 20 min
export function span(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s}${THIN}s`;
  const minutes = Math.floor(s / 60);
  if (minutes < 60) return `${minutes}${THIN}min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 ? `${hours}${THIN}h ${minutes % 60}${THIN}min` : `${hours}${THIN}h`;
  return `${Math.floor(hours / 24)}${THIN}d${hours % 24 ? ` ${hours % 24}${THIN}h` : ''}`;
}

const CLOCK = new Intl.DateTimeFormat(undefined, {
  hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23',
});

/// Local time: 12:03:04
export const clock = (ms) => CLOCK.format(ms);

const DAY = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });

/// A day: 30 Nov
export const day = (ms) => DAY.format(ms);

/// Local time with milliseconds.
export const instant = (ms) => `${CLOCK.format(ms)}.${String(Math.floor(ms) % 1000).padStart(3, '0')}`;

/// The zone that all times are in.
export const zone = (() => {
  const parts = new Intl.DateTimeFormat('en', { timeZoneName: 'short' }).formatToParts(Date.now());
  return parts.find((part) => part.type === 'timeZoneName')?.value ?? 'local time';
})();

export { NONE };
