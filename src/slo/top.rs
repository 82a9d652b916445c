//! Where most of the bad events of the last minutes are: endpoint, route, reason.
//!
//! The most frequent values, counted in few places: a new value takes the place of the rarest one and
//! its count (A. Metwally, D. Agrawal, A. El Abbadi, "Efficient computation of frequent and top-k
//! elements in data streams", 2005), so one with more than an eighth of the events is never missed.
//! Counts fade by an eighth a minute. Not kept in a state.

use super::notice::Top;

/// Values that are counted of each kind.
const PLACES: usize = 8;
/// Bytes kept of a value.
const BYTES_MAX: usize = 255;

/// See the head of this file.
#[derive(Debug, Default)]
pub(super) struct TopCounts {
    /// Endpoints, routes, reasons.
    kinds: [Vec<(Box<[u8]>, u32)>; 3],
    /// Minute up to which counts have faded.
    minute: u32,
}

impl TopCounts {
    /// Counts a bad event.
    pub(super) fn add(&mut self, minute: u32, values: [Option<&[u8]>; 3]) {
        self.fade(minute);
        for (counts, value) in self.kinds.iter_mut().zip(values) {
            let Some(value) = value.map(|value| &value[..value.len().min(BYTES_MAX)]) else {
                continue;
            };
            if let Some((_, count)) = counts.iter_mut().find(|(known, _)| **known == *value) {
                *count = count.saturating_add(1);
            } else if counts.len() < PLACES {
                counts.push((value.into(), 1));
            } else if let Some((rarest, count)) = counts.iter_mut().min_by_key(|(_, count)| *count)
            {
                *rarest = value.into();
                *count = count.saturating_add(1);
            }
        }
    }

    /// Lets counts fade for the minutes that went by.
    fn fade(&mut self, minute: u32) {
        let minutes = minute.saturating_sub(self.minute).min(256);
        self.minute = self.minute.max(minute);
        for _ in 0..minutes {
            for counts in &mut self.kinds {
                counts.retain_mut(|(_, count)| {
                    *count -= count.div_ceil(8);
                    *count > 0
                });
            }
        }
    }

    /// The most frequent of each.
    pub(super) fn most(&self) -> Top {
        let [endpoint, route, reason] = self.kinds.each_ref().map(|counts| {
            let most = counts.iter().max_by_key(|(_, count)| *count)?;
            Some(String::from_utf8_lossy(&most.0).into_owned())
        });
        Top { endpoint, route, reason }
    }

    /// The clock jumped: counts go on from there.
    pub(super) fn shift(&mut self, minutes: i64) {
        self.minute = self.minute.saturating_add_signed(i32::try_from(minutes).unwrap_or(0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_value_is_found_among_many_and_old_ones_fade() {
        let mut top = TopCounts::default();
        for n in 0..3_000_u32 {
            let rare = format!("10.0.0.{}:80", n % 200);
            let endpoint = if n % 4 == 0 { "10.0.1.1:80" } else { &rare };
            top.add(10, [Some(endpoint.as_bytes()), None, Some(b"503")]);
        }
        let want = |endpoint: &str| Top {
            endpoint: Some(endpoint.to_owned()),
            route: None,
            reason: Some("503".to_owned()),
        };
        assert_eq!(top.most(), want("10.0.1.1:80"));
        assert!(top.kinds[0].len() <= PLACES);
        for _ in 0..50 {
            top.add(70, [Some(b"10.0.1.2:80"), None, Some(b"503")]);
        }
        assert_eq!(top.most(), want("10.0.1.2:80"), "an hour later the old ones are gone");
    }
}
