// The world of the browser tests: upstreams, the program, traffic of which everything is known, a browser,
// and ways to look at a page. Started once, when a test first asks for it.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { axe, check, chromium, folder, port, proxy, send, until, upstream } from './lib.js';

export const PAGES = ['overview', 'services', 'requests', 'slo', 'process', 'shipping'];
export const RTL = '\u202e';
// What a hostile client sends: bytes as they are on the wire.
const HOSTILE = '<img/src=x/onerror=window.harmed=1>';
const LONG = `/${'a'.repeat(8000)}`;

export const quick = await upstream('--name', 'quick');
export const slow = await upstream('--name', 'slow', '--delay', '120ms');
const dir = folder();
const yaml = (ports, extra = '') => `
proxy:
  workers: 2
  listen: {address: 127.0.0.1, port: ${ports.proxy}}
  services:
    - {name: quick, domains: [quick.test, "*.quick.test"], hosts: ["${quick.address}"]}
    - {name: slow, domain: slow.test, hosts: ["${slow.address}"], limits: {in_flight: 64}}
    - name: broken
      domain: broken.test
      hosts: ["127.0.0.1:1", "127.0.0.1:2"]
      outlier: {failures: 3, eject: 10m, eject_max: 10m}
admin: {listen: "127.0.0.1:${ports.admin}"${extra}}
telemetry:
  instance: browser-test
  journal: {path: "${join(dir, 'journal')}", size: 64MiB}
`;
const ports = { proxy: await port(), admin: await port() };
const lb = await proxy(dir, yaml(ports));
/// Where its page is.
export const base = `http://${lb.admin}`;
/// The program that runs now, and a new start of it in the same place.
export const running = { ...lb, again: async () => Object.assign(running, await proxy(dir, yaml(ports))) };

// ---- the traffic, and what is known of it
export const truth = { quick: 0, slow: 0, broken: 0, s200: 0, s302: 0, s404: 0, s503: 0 };
/// Sends requests whose status is known, and counts them.
export async function play(service, path, want, count, options) {
  for (let n = 0; n < count; n += 1) {
    check(await send(running.proxy, `${service}.test`, path, options), want, `the status of ${path.slice(0, 80)}`);
    truth[service] += 1;
    truth[`s${want}`] = (truth[`s${want}`] ?? 0) + 1;
  }
}
await play('quick', '/ok', 200, 40);
await play('quick', '/missing?lb_status=404', 404, 6);
await play('quick', '/moved?lb_status=302', 302, 3);
await play('quick', '/fails?lb_status=503', 503, 5);
await play('slow', '/slow', 200, 7);
await play('quick', `/"onmouseover='window.harmed=1'?q='-window.harmed=1-'`, 200, 1, { headers: { 'user-agent': `<script>window.harmed=1</script>${HOSTILE}`, referer: 'javascript:window.harmed=1' } });
await play('quick', '/rtl', 200, 1, { headers: { 'user-agent': Buffer.from(`evil${RTL}gpj.exe`).toString('latin1') } });
await play('quick', LONG, 200, 1);
for (let n = 0; n < 4; n += 1) await send(running.proxy, 'broken.test', '/gone');
truth.broken = 4;
/// Requests so far.
export const all = () => truth.quick + truth.slow + truth.broken;

// ---- the browser
export const browser = await chromium.launch({ executablePath: process.env.LBPROXY_CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-gpu'] });

const fromDisk = process.env.LBPROXY_PAGE_DIR;
const KINDS = { js: 'text/javascript', css: 'text/css', html: 'text/html' };

/// A file of the page as it is on disk, with the fields that the program sends: so that a change can be
/// tried without a build.
async function serve(route) {
  const name = new URL(route.request().url()).pathname.slice(1) || 'index.html';
  const { 'content-encoding': _, ...headers } = (await route.fetch()).headers();
  await route.fulfill({ status: 200, headers: { ...headers, 'content-type': KINDS[name.split('.').at(-1)] }, body: readFileSync(join(fromDisk, name)) });
}

/// A page that notes everything that a page should not do.
export async function open(width, theme, path = '', at = base) {
  const context = await browser.newContext({ viewport: { width, height: width > 500 ? 860 : 800 }, colorScheme: theme, reducedMotion: 'reduce', permissions: ['clipboard-read', 'clipboard-write'] });
  if (fromDisk) await context.route(/\/([\w-]+\.(js|css))?$/, serve);
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  page.complaints = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) page.complaints.push(`${message.text()} ${message.location().url}`);
  });
  page.on('pageerror', (error) => page.complaints.push(`${error.message} ${error.stack}`));
  page.on('dialog', (dialog) => {
    page.complaints.push(`dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(at) && !request.url().startsWith('data:')) page.complaints.push(`asked for ${request.url()}`);
  });
  await page.goto(`${at}/${path}`);
  await started(page);
  return page;
}

/// Waits until a page that was loaded knows whose it is, or asks for the token: before that it has no
/// ranges, and a request that is opened has no link to other tools.
export const started = (page) => page.locator('#instance:not(:empty), #login[open]').first().waitFor({ state: 'attached' });

/// Nothing went wrong on a page but what a browser notes of answers that were wanted; closes it.
export async function close(page, noted = /^$/) {
  check(await page.evaluate(() => window.harmed ?? null), null, 'harm done by a hostile string');
  check(page.complaints.filter((text) => !noted.test(text)), [], 'complaints of the browser');
  // An answer that is on its way through a handler when the page closes is nobody's.
  await page.unrouteAll({ behavior: 'ignoreErrors' });
  await page.context().unrouteAll({ behavior: 'ignoreErrors' });
  await page.context().close();
}

/// Nothing that axe calls serious on what is shown.
export async function accessible(page, what) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  const serious = found.violations.filter((one) => ['serious', 'critical'].includes(one.impact));
  check(serious.map((one) => `${one.id}: ${one.nodes.map((node) => `${node.target} ${node.failureSummary}`).join('; ')}`), [], what);
}

/// The text of an element once it is what is wanted.
export const shows = (page, selector, wanted) => until(`${selector} to show ${wanted}`, async () => {
  const text = (await page.locator(selector).first().innerText()).replaceAll('\u202f', ' ');
  if (wanted instanceof RegExp ? wanted.test(text) : text.includes(wanted)) return text;
  throw new Error(`${selector} shows ${JSON.stringify(text.slice(0, 300))}`);
});

/// Waits until a table's row has these cells, by the names of their columns; gives all of them.
export const shown = (page, table, head, wanted) => until(`${head} in ${table} to show ${JSON.stringify(wanted)}`, async () => {
  const found = await row(page, table, head);
  const fits = (name) => (wanted[name] instanceof RegExp ? wanted[name].test(found[name] ?? '') : wanted[name] === found[name]);
  if (!Object.keys(wanted).every(fits)) throw new Error(`it shows ${JSON.stringify(found)}`);
  return found;
});

/// Cells of a table's row by its head, as they are now.
async function row(page, table, head) {
  const line = page.locator(`${table} tbody tr`).filter({ has: page.locator('th', { hasText: new RegExp(`^${head}$`) }) }).first();
  const cells = await line.locator('th, td').allInnerTexts();
  const names = await page.locator(`${table} thead th`).allInnerTexts();
  return Object.fromEntries(names.map((name, i) => [name.trim(), cells[i]?.replaceAll('\u202f', ' ').replace(/[▲■●] ?/g, '').trim()]));
}

/// Waits until a page shows what it has: figures, and a point in each chart. Charts take the Tab key from
/// their first point on, and those of Shipping have none before the page's second look at the counters.
export async function ready(page, name) {
  await page.locator(READY[name]).first().waitFor();
  await until(`a point in each chart of ${name}`, async () => (await page.locator('.plot:not([role="slider"])').count()) === 0);
}

/// What a page shows once figures are there.
export const READY = { overview: '.overview table tbody tr', services: '.services tr.head', requests: 'table.requests tbody tr', slo: '.slo table tbody tr', process: '.process .facts div', shipping: '.way li' };
