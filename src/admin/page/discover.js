// The record of a request in Discover of Kibana or OpenSearch Dashboards: both read the same address.

// Milliseconds around the record that Discover is asked for.
const AROUND = 60_000;

/// A text as rison, the notation of their addresses.
const rison = (text) => encodeURIComponent(`'${String(text).replace(/[!']/g, '!$&')}'`);

/// A query that finds this record and no other.
export function query(record) {
  const fields = ['lbproxy.instance', 'lbproxy.epoch', 'lbproxy.worker', 'lbproxy.seq'];
  return fields.filter((field) => record[field] !== undefined)
    .map((field) => `${field} : ${typeof record[field] === 'string' ? JSON.stringify(record[field]) : record[field]}`)
    .join(' and ');
}

/// Where it is; `place` is what the server tells of Discover.
export function address(place, record) {
  const time = Date.parse(record['@timestamp']);
  const [from, to] = [time - AROUND, time + AROUND].map((ms) => rison(new Date(ms).toISOString()));
  return `${place.address}#/?_g=(time:(from:${from},to:${to}))&_a=(index:${rison(place.view)},query:(language:kuery,query:${rison(query(record))}))`;
}
