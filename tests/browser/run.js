// Goal: the live page tells the truth, does no harm, and can be used by everybody. Method: a real
// browser, the real program, upstreams and traffic of which everything is known; each page at two
// widths in light and dark, with axe; pictures are kept for people to look at.
//
// Modules by subject, in the order in which they run: the last ones end the program and start it again.

import { cleanUp, runAll } from './lib.js';

let failed = 1;
try {
  const { browser } = await import('./world.js');
  try {
    for (const subject of ['figures', 'requests', 'slo', 'endurance', 'use']) await import(`./${subject}.js`);
    failed = await runAll();
  } finally {
    await browser.close();
  }
} finally {
  await cleanUp();
}
process.exit(failed ? 1 : 0);
