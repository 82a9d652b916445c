// Why there is nothing to see: no traffic, figures that are behind, or figures that are not configured
// are three different things, and each has something to do.

import { set, attr, visible } from './dom.js';
import { span } from './format.js';

/// Where a request can be sent.
function listener(about) {
  const address = about?.listeners[0]?.address;
  return address ? `http://${visible(address).replace(/^(0\.0\.0\.0|\[::\])(?=:)/, location.hostname)}` : 'the proxy';
}

/// Shows above figures what they lack, or nothing. Figures that are off are the asker's to tell. `said` is
/// set where a sentence says already that there is no traffic.
export function tell(node, answer, count, { about }, said = false) {
  const late = answer?.behind_s ?? 0;
  let text = '';
  if (late) {
    text = `No data of the last ${span(late)}: the figures are behind. They follow the journal and catch up by themselves; if they do not, look on Process for lbproxy_rollup_ and in the log for why.`;
  } else if (answer && answer.until_ms === 0) {
    text = 'No data yet: the first figures come within five seconds of the start.';
  } else if (answer && count === 0) {
    text = `${said ? '' : 'No traffic in this window. '}Send a request to ${listener(about)}, or look further back with ].`;
  }
  node.hidden = text === '';
  set(node, text);
  attr(node, 'class', `notice ${late ? '' : 'info'}`.trim());
}
