//! Several names as one text of bytes, for keys: each with its length before it, so that no two lists of
//! names are the same key; an absent name is not an empty one.

/// Length of a name that is absent.
const ABSENT: u8 = u8::MAX;

/// Appends a name; one longer than 254 bytes is cut.
pub fn push_name(name: Option<&[u8]>, key: &mut Vec<u8>) {
    let Some(name) = name else {
        key.push(ABSENT);
        return;
    };
    let kept = &name[..name.len().min(usize::from(ABSENT) - 1)];
    key.push(u8::try_from(kept.len()).unwrap_or(0));
    key.extend_from_slice(kept);
}

/// Takes the next name from a key; `None` where it is absent, and at the end.
pub fn take_name<'k>(key: &mut &'k [u8]) -> Option<&'k [u8]> {
    let (&length, rest) = key.split_first()?;
    *key = rest;
    if length == ABSENT {
        return None;
    }
    let (name, rest) = key.split_at_checked(usize::from(length))?;
    *key = rest;
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_absent_ones_and_empty_ones_too() {
        let long = [b'a'; 300];
        let names: [Option<&[u8]>; 4] = [Some(b"shop"), None, Some(b""), Some(&long)];
        let mut key = Vec::new();
        for name in names {
            push_name(name, &mut key);
        }
        let mut rest = key.as_slice();
        let back = [(); 5].map(|()| take_name(&mut rest));
        let want: [Option<&[u8]>; 5] = [Some(b"shop"), None, Some(b""), Some(&long[..254]), None];
        assert_eq!(back, want);
    }
}
