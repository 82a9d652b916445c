//! FNV-1a of 64 bits: for numbers that are the same whenever and by whatever version they are made.

/// Of no bytes.
pub const EMPTY: u64 = 0xcbf2_9ce4_8422_2325;

/// Of the bytes that `hash` is of, and these.
pub fn fnv1a(hash: u64, bytes: &[u8]) -> u64 {
    let add = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(hash, add)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: stored numbers stay valid. Method: a vector of the algorithm's authors, in one and in two pieces.
    #[test]
    fn it_is_what_others_make_of_the_same_bytes() {
        assert_eq!(fnv1a(EMPTY, b"foobar"), 0x8594_4171_f739_67e8);
        assert_eq!(fnv1a(fnv1a(EMPTY, b"foo"), b"bar"), 0x8594_4171_f739_67e8);
    }
}
