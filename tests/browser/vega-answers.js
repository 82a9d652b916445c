// Answers that a search may get, made of one that a server gave: nothing matched, one bucket of each kind, every
// other bucket of time empty. What is empty is written as servers do: sums and counts are 0, all else is null.

/// A copy of an answer to a search, made another: `as` is a key of ANSWERS.
export function answer(aggregations, recorded, as) {
  const copy = structuredClone(recorded);
  ANSWERS[as](aggregations, copy.aggregations);
  return copy;
}

export const ANSWERS = {
  recorded: () => {},
  none: (aggregations, results) =>
    each(aggregations, results, (own, result) => {
      // Filters have their buckets whatever matches.
      if (own.filters) result.buckets.forEach((bucket) => empty(own.aggs, bucket));
      else result.buckets = [];
    }),
  one: (aggregations, results) =>
    each(aggregations, results, (own, result) => {
      result.buckets = result.buckets.slice(0, 1);
      result.buckets.forEach((bucket) => ANSWERS.one(own.aggs, bucket));
    }),
  gaps: (aggregations, results) =>
    each(aggregations, results, (own, result) => {
      result.buckets.forEach((bucket, at) => {
        if (own.date_histogram && at % 2) empty(own.aggs, bucket);
        else ANSWERS.gaps(own.aggs, bucket);
      });
    }),
};

/// Calls for each aggregation that has a list of buckets.
function each(aggregations = {}, results, change) {
  for (const [name, own] of Object.entries(aggregations)) {
    if (Array.isArray(results[name].buckets)) change(own, results[name]);
  }
}

/// Empties a bucket.
function empty(aggregations = {}, bucket) {
  if ('doc_count' in bucket) bucket.doc_count = 0;
  for (const [name, own] of Object.entries(aggregations)) {
    const result = bucket[name];
    if (Array.isArray(result.buckets)) result.buckets = [];
    else if (own.aggs || own.filter) empty(own.aggs, result);
    else if (result.values) result.values = Object.fromEntries(Object.keys(result.values).map((key) => [key, null]));
    else result.value = own.sum || own.cardinality ? 0 : null;
  }
}
