// Talks to the API: answers, and streams of events that come again by themselves. `fetch` for both,
// since an EventSource cannot send a token.

import { h, set, visible } from './dom.js';

const TOKEN = 'lbproxy-token';
// Seconds between tries: doubles, and never in step with other pages.
const WAIT_MIN = 0.5;
const WAIT_MAX = 30;
// The server says something every ten seconds; a stream that is silent for longer is dead.
const SILENCE_MAX = 25_000;

let asking = null;

/// Asks for the token; one dialog, however many want it.
function login(wrong) {
  asking ??= new Promise((resolve) => {
    const dialog = document.getElementById('login');
    const field = h('input', { type: 'password', id: 'token', autocomplete: 'current-password', required: true });
    const form = h('form', { method: 'dialog' },
      h('h2', { id: 'login-title' }, 'Token'),
      h('p', {}, wrong ? 'That token is not the one of admin.token.' : 'This lbproxy asks for the token of its configuration, admin.token.'),
      h('label', { for: 'token' }, 'Token'), field,
      h('button', { type: 'submit', class: 'main' }, 'Show the page'));
    form.addEventListener('submit', () => {
      sessionStorage.setItem(TOKEN, field.value);
      asking = null;
      resolve();
    });
    dialog.addEventListener('cancel', (event) => event.preventDefault());
    dialog.replaceChildren(form);
    dialog.showModal();
  });
  return asking;
}

/// A request with the token, if one is known; asks for one when it is missed.
async function ask(path, signal) {
  for (;;) {
    const token = sessionStorage.getItem(TOKEN);
    const headers = token ? { authorization: `Bearer ${token}` } : {};
    const response = await fetch(path, { headers, signal, cache: 'no-store', credentials: 'omit' });
    if (response.status !== 401) return response;
    await response.text();
    // Another request may have asked meanwhile.
    if (token === sessionStorage.getItem(TOKEN)) await login(token !== null);
  }
}

/// A mistake as the server explains it.
export class Refusal extends Error {
  constructor(status, body) {
    super(body.problem ?? `the answer was ${status}`);
    Object.assign(this, { status, ...body });
  }
}

async function refusal(response) {
  const text = (await response.text()).trim();
  try {
    return new Refusal(response.status, JSON.parse(text));
  } catch {
    return new Refusal(response.status, { problem: text || `the answer was ${response.status}` });
  }
}

/// Asks for the figures of a page. Only the newest question counts. While there are none, `notice` says
/// why; `off` words it for figures that are not configured.
export function asker(notice, off) {
  let asked = null;
  let gone = false;
  return {
    /// The figures; `null` when there are none, `undefined` when nobody waits for them any more.
    async ask(path) {
      asked?.abort();
      asked = new AbortController();
      try {
        const answer = await get(path, asked.signal);
        if (gone) return undefined;
        notice.hidden = true;
        return answer;
      } catch (error) {
        if (error.name === 'AbortError' || gone) return undefined;
        notice.hidden = false;
        set(notice, error.is_off ? off(error) : `No figures: ${visible(error.message)}. They come back with the connection.`);
        return null;
      }
    },
    leave() {
      gone = true;
      asked?.abort();
    },
  };
}

/// The JSON at a path.
export async function get(path, signal) {
  const response = await ask(path, signal);
  if (!response.ok) throw await refusal(response);
  return response.json();
}

/// Follows a stream until `stop` is called. `on` has `event(name, data)`, `state(word, seconds, why)` with
/// `live`, `waiting` or `connecting`, and `refused(refusal)`, after which it ends.
export function follow(path, on) {
  let stopped = false;
  let abort = null;
  let timer = 0;
  let wait = WAIT_MIN;
  let why = '';

  async function run() {
    abort = new AbortController();
    why = '';
    on.state('connecting');
    try {
      const response = await ask(path, abort.signal);
      if (response.status >= 400 && response.status < 500 && response.status !== 429) {
        stopped = true;
        on.refused?.(await refusal(response));
        return;
      }
      if (!response.ok) throw await refusal(response);
      await read(response.body.getReader());
    } catch (error) {
      // Whatever it was, it is tried again; the state says so.
      why = error instanceof Refusal ? error.message : '';
    }
    if (!stopped) retry();
  }

  async function read(reader) {
    const decoder = new TextDecoder();
    let rest = '';
    let alarm = 0;
    const alive = () => {
      clearTimeout(alarm);
      alarm = setTimeout(() => abort.abort(), SILENCE_MAX);
    };
    try {
      for (;;) {
        alive();
        const { done, value } = await reader.read();
        if (done || stopped) return;
        rest += decoder.decode(value, { stream: true });
        for (let end; (end = rest.indexOf('\n\n')) >= 0;) {
          take(rest.slice(0, end));
          rest = rest.slice(end + 2);
        }
      }
    } finally {
      clearTimeout(alarm);
    }
  }

  function take(block) {
    let name = 'message';
    const data = [];
    for (const line of block.split('\n')) {
      if (line.startsWith('event: ')) name = line.slice(7);
      else if (line.startsWith('data: ')) data.push(line.slice(6));
      else if (line.startsWith('retry: ')) on.state('live');
    }
    if (data.length === 0) return;
    wait = WAIT_MIN;
    on.state('live');
    on.event(name, JSON.parse(data.join('\n')));
  }

  function retry() {
    const seconds = wait * (0.75 + Math.random() / 2);
    wait = Math.min(wait * 2, WAIT_MAX);
    on.state('waiting', seconds, why);
    timer = setTimeout(run, seconds * 1000);
  }

  run();
  return {
    stop() {
      stopped = true;
      clearTimeout(timer);
      abort?.abort();
    },
  };
}
