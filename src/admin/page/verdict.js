// How serious something is, as the program says it (src/slo): its class, its mark, its words. No level is
// chosen here.

import { clock } from './format.js';
import { atLeast, between, is, requests } from './filter.js';

const CLASSES = { ok: 'good', unknown: 'none', note: 'info', warn: 'warn', hurt: 'bad' };
const MARKS = { ok: '✓', unknown: '○', note: 'ℹ', warn: '▲', hurt: '■' };

/// The class of a level; `none` for one that this page does not know.
export const kind = (level) => CLASSES[level] ?? 'none';
export const mark = (level) => MARKS[level] ?? '○';

/// The class of a figure, which has a colour only where something is wrong.
export const wrong = (level) => (level === 'warn' || level === 'hurt' ? kind(level) : '');

/// For sorting: what is worse is more.
export const weight = (level) => ['warn', 'hurt'].indexOf(level);

/// The sentence of a verdict, by the reader's clock.
export const sentence = ({ words }) => words.map((word) => (typeof word === 'string' ? word : clock(word.time_ms))).join('');

/// Where a verdict says to look.
export function place({ service, look_at: at }) {
  if (!at) return null;
  if (at.page === 'services' && service) return `#/services?${new URLSearchParams({ open: service })}`;
  if (at.page !== 'requests') return `#/${at.page}`;
  return requests(
    service ? is('service', service) : 'service != *',
    at.outcome && `outcome = ${at.outcome}`,
    at.slower_than_us && atLeast('duration', at.slower_than_us),
    between(at.since_ms));
}
