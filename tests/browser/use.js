// Whether everybody can use the page: widths, colours, keyboard, what is empty or gone, tokens, weight.

import { join } from 'node:path';
import { check, folder, pictures, proxy, send, stop, test, until } from './lib.js';
import { accessible, base, browser, close, open, PAGES, play, quick, READY, ready, running, shows, started } from './world.js';

test('every page is clean at two widths in light and dark', async () => {
  await play('quick', '/ok', 200, 5);
  for (const [width, theme] of [[1280, 'light'], [1280, 'dark'], [390, 'light'], [390, 'dark']]) {
    const page = await open(width, theme);
    for (const name of PAGES) {
      // As people do: by a click.
      await page.locator(`#tabs a[data-page="${name}"]`).click();
      await ready(page, name);
      check(await page.locator('#tabs a[aria-current="page"]').getAttribute('data-page'), name, 'the page that is marked');
      await accessible(page, `${name} at ${width} in ${theme}`);
      const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      check(wide <= 0, true, `${name} at ${width}: nothing sticks out (${wide} px)`);
      await page.screenshot({ path: join(pictures, `${name}-${width}-${theme}.png`) });
    }
    await close(page);
  }
});

test('the files are few, small and bound by a policy', async () => {
  const page = await browser.newPage();
  const seen = [];
  page.on('response', (response) => seen.push(response));
  await page.goto(`${base}/`);
  await page.locator(READY.overview).first().waitFor();
  let bytes = 0;
  // An image that was seen before comes from the browser's memory, without the fields of an answer.
  for (const response of seen.filter((one) => !/\/api\/|\.svg$/.test(one.url()))) {
    const headers = await response.allHeaders();
    check(headers['content-encoding'], 'gzip', response.url());
    check(headers['content-security-policy'].includes("default-src 'none'"), true, response.url());
    check(headers['content-security-policy'].includes('unsafe'), false, response.url());
    bytes += (await response.request().sizes()).responseBodySize;
  }
  check(bytes > 0 && bytes < 100 * 1024, true, `${bytes} bytes compressed`);
  const paint = await page.evaluate(() => performance.getEntriesByType('paint').find((one) => one.name === 'first-contentful-paint')?.startTime);
  console.log(`     ${(bytes / 1024).toFixed(1)} KiB compressed, first paint after ${Math.round(paint)} ms`);
  await page.close();
});

test('charts zoom together, ranges and theme change, keys lead through the pages', async () => {
  await play('quick', '/ok', 200, 5);
  const page = await open(1280, 'light');
  await ready(page, 'overview');
  check(await page.locator('.chart canvas').count(), 3, 'three charts');
  const over = page.locator('.u-over').first();
  await until('the time to be zoomed', async () => {
    const { width } = await over.boundingBox();
    await over.hover({ position: { x: width * 0.5, y: 40 } });
    await page.mouse.down();
    await over.hover({ position: { x: width * 0.9, y: 40 } });
    await page.mouse.up();
    return page.locator('#unzoom').isVisible();
  });
  await page.keyboard.press('Escape');
  await page.locator('#unzoom').waitFor({ state: 'hidden' });
  await page.keyboard.press(']');
  await until('the longer range', async () => (await page.locator('#ranges [aria-pressed="true"]').innerText()) === '15m');
  await page.keyboard.press('t');
  check(await page.locator('html').getAttribute('data-theme'), 'dark', 'the theme');
  for (const [i, name] of PAGES.entries()) {
    await page.keyboard.press(String(i + 1));
    await page.locator(READY[name]).first().waitFor();
  }
  await page.keyboard.press('?');
  check(await page.locator('#keys').isVisible(), true, 'the list of keys');
  await close(page);
});

/// What is focused, whether it can be seen to be, and whether this pass was there before.
const focused = (page, pass) => page.evaluate((now) => {
  const one = document.activeElement;
  if (!one || one === document.body) return null;
  const style = getComputedStyle(one);
  const again = one.dataset.reached === now;
  one.dataset.reached = now;
  return { again, name: `${one.tagName} ${one.id} ${one.textContent.slice(0, 40)}`, seen: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 };
}, pass);

/// Controls that are shown and that this pass did not reach.
const missed = (page, pass) => page.evaluate((now) => [...document.querySelectorAll('a[href], button, input, summary, [tabindex="0"]')]
  .filter((one) => one.checkVisibility() && one.dataset.reached !== now)
  // Figures of a row are reached with the arrows; a second link to the same place needs no stop.
  .filter((one) => one.tabIndex >= 0 || !(one.closest('tr[tabindex="0"]') || [...one.closest('li, tr').querySelectorAll('a')].some((other) => other.tabIndex >= 0 && other.href === one.href)))
  .map((one) => `${one.tagName} ${one.id} ${one.className} ${one.textContent.slice(0, 40)}`), pass);

test('every control is reached with the keyboard and seen to be', async () => {
  await play('quick', '/ok', 200, 5);
  const page = await open(1280, 'light');
  for (const name of PAGES) {
    // A list that stands still: no new rows between two keys.
    const words = name === 'requests' ? `?${new URLSearchParams({ filter: 'service = slow' })}` : '';
    await page.goto(`${base}/#/${name}${words}`);
    await page.reload();
    await started(page);
    await ready(page, name);
    // What appears behind the key during a pass is reached by the next one.
    const unseen = [];
    let pass = 0;
    await until(`${name}: one pass of the Tab key to reach every control`, async () => {
      pass += 1;
      for (let n = 0; n < 500; n += 1) {
        await page.keyboard.press('Tab');
        const one = await focused(page, String(pass));
        if (one === null || one.again) break;
        if (!one.seen) unseen.push(one.name);
      }
      const left = await missed(page, String(pass));
      if (left.length) throw new Error(left.join('; '));
      return true;
    });
    check(unseen, [], `${name}: what has the focus and does not show it`);
  }
  await page.goto(`${base}/#/services`);
  // Figures become links with the first answer.
  await shows(page, '.services .top .since', /\d requests since/);
  await page.locator('.services tr.head').first().focus();
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('ArrowRight');
  check(await page.evaluate(() => document.activeElement.closest('td') !== null && document.activeElement.href.includes('#/requests')), true, 'arrows lead to a figure of the row');
  await page.keyboard.press('ArrowDown');
  check(await page.evaluate(() => document.activeElement.tagName), 'TR', 'and on to the next row');
  await close(page);
});

test('nothing to see is told in three ways and each says what to do', async () => {
  const telemetry = (own, more = '') => `
proxy:
  listen: {address: 127.0.0.1, port: 0}
  services: [{name: quick, domain: quick.test, hosts: ["${quick.address}"]}]
admin: {listen: "127.0.0.1:0"}
telemetry: {instance: quiet, journal: {path: "${join(own, 'journal')}", size: 64MiB}${more}}
`;
  const [idle, off] = [folder(), folder()];
  const quiet = await proxy(idle, telemetry(idle));
  const without = await proxy(off, telemetry(off, ', rollup: {every: off}'));
  const page = await open(1280, 'light', '', `http://${quiet.admin}`);
  for (const name of ['overview', 'services']) {
    await page.goto(`http://${quiet.admin}/#/${name}`);
    await shows(page, '.notice.info', `Send a request to http://${quiet.proxy}`);
    await shows(page, `.${name} .top`, /no traffic in (this window|the last 5 minutes)/i);
    await shows(page, `.${name} table`, 'quick');
  }
  await shows(page, '.services tr.head', 'quick');
  check(await page.locator('.services th', { hasText: 'Queue' }).isHidden(), true, 'the column Queue where nothing is limited');
  await accessible(page, 'services without traffic');
  await page.goto(`http://${quiet.admin}/#/requests`);
  await shows(page, '.requests-page .empty', 'No request yet');
  await page.goto(`http://${quiet.admin}/#/overview`);
  await shows(page, '.overview .trust', 'set telemetry.elasticsearch');
  await accessible(page, 'an overview without traffic');
  await page.screenshot({ path: join(pictures, 'empty-1280-light.png') });
  // What was asked for is done: the message goes.
  check(await send(quiet.proxy, 'quick.test', '/first'), 200, 'the first request');
  await until('the message to go', () => page.locator('.notice.info').isHidden());
  // Figures that do not follow the traffic any more.
  await page.route('**/api/v1/overview*', async (route) => {
    const answer = await (await route.fetch()).json();
    await route.fulfill({ json: { ...answer, until_ms: answer.now_ms - 40_000, behind_s: 40 } });
  });
  await shows(page, '.overview .notice:not([hidden])', /No data of the last 40 s: the figures are behind/);
  await close(page);
  const bare = await open(390, 'dark', '', `http://${without.admin}`);
  for (const name of ['overview', 'services']) {
    await bare.goto(`http://${without.admin}/#/${name}`);
    await shows(bare, '.notice:not([hidden])', /Not configured: .*telemetry.rollup.every/);
    if (name === 'overview') await shows(bare, '.top .status.none', /Not configured: .*telemetry.rollup.every/);
    await accessible(bare, `${name} without rollups`);
  }
  await close(bare, /404/);
  await Promise.all([stop(quiet.child), stop(without.child)]);
});

test('a page that lost its server says so and comes back by itself', async () => {
  const page = await open(1280, 'light');
  await shows(page, '#link', 'live');
  await stop(running.child, 'SIGKILL');
  await shows(page, '#link', /no connection since \d\d:\d\d:\d\d; next try in \d+ s/);
  await running.again();
  await shows(page, '#link', 'live');
  await close(page, /ERR_|fetch/i);
});

test('with a token the page asks for it, and only the right one opens it', async () => {
  const own = folder();
  const guarded = await proxy(own, `
proxy:
  listen: {address: 127.0.0.1, port: 0}
  services: [{name: quick, domain: quick.test, hosts: ["${quick.address}"]}]
admin: {listen: "127.0.0.1:0", token: open-sesame}
telemetry: {instance: guarded, journal: {path: "${join(own, 'journal')}", size: 64MiB}}
`);
  const page = await open(1280, 'light', '', `http://${guarded.admin}`);
  await page.locator('#token').fill('wrong');
  await page.locator('#login button').click();
  await shows(page, '#login', 'not the one');
  await accessible(page, 'the login');
  await page.screenshot({ path: join(pictures, 'login-1280-light.png') });
  await page.locator('#token').fill('open-sesame');
  await page.locator('#login button').click();
  await shows(page, '#link', 'live');
  await shows(page, '#instance', 'guarded');
  await close(page, /401/);
  await stop(guarded.child);
});
