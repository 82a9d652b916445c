//! The one macro that makes a record kind from its table.
//!
//! A row reads
//! ```text
//! /// What it means: from which event to which, in which unit.
//! 12 connect_us: Micros => "lbproxy.upstream.connect_us", "otel.name";
//! ```
//! and becomes: a field `Option<Micros>` of the struct; its place in the binary form; a key of the
//! document; a row of `FIELDS`, from which index templates and `docs/records.md` are made.
//!
//! ```text
//! payload = present: u128 little-endian, bit = id     value*  in the order of ids
//! ```
//! Ids only grow: the compiler refuses a lower or repeated one. A field that is given up keeps its
//! row, with `""` for its path: old journals stay readable, documents and templates forget it.

use super::value::{FieldKind, Part};

/// One field as templates and documentation see it.
#[derive(Debug, Clone, Copy)]
pub struct FieldSpec {
    /// Stable number, 0 to 127.
    pub id: u8,
    /// Name in the source.
    pub rust: &'static str,
    /// Key in documents: ECS where ECS has one, else `lbproxy.*`.
    pub path: &'static str,
    /// Type and unit.
    pub kind: FieldKind,
    /// Its keys, if it is an object.
    pub parts: &'static [Part],
    /// Name in OpenTelemetry's conventions, or empty.
    pub otel: &'static str,
    /// What it means.
    pub doc: &'static str,
}

/// Why a payload is not a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It ends early, or holds an impossible value.
    #[error("the record is cut or damaged")]
    Damaged,
    /// It has fields or words that this version does not know.
    #[error("the record was written by a newer lbproxy; read it with that version")]
    Newer,
}

/// Bytes of the bitmap before the values.
pub(super) const BITMAP_BYTES: usize = 16;

/// Reads the bitmap and refuses bits outside of `known`.
pub(super) fn take_bitmap(payload: &[u8], known: u128) -> Result<(u128, &[u8]), DecodeError> {
    let (bitmap, rest) = payload.split_first_chunk::<BITMAP_BYTES>().ok_or(DecodeError::Damaged)?;
    let bitmap = u128::from_le_bytes(*bitmap);
    if bitmap & !known == 0 { Ok((bitmap, rest)) } else { Err(DecodeError::Newer) }
}

/// Whether ids rise from row to row and fit the bitmap.
pub(super) const fn ids_rise(ids: &[u32]) -> bool {
    let mut at = 0;
    while at < ids.len() {
        if ids[at] >= 128 || (at > 0 && ids[at] <= ids[at - 1]) {
            return false;
        }
        at += 1;
    }
    true
}

/// How many rows are not given up.
pub(super) const fn count_live(rows: &[FieldSpec]) -> usize {
    let (mut at, mut live) = (0, 0);
    while at < rows.len() {
        live += !rows[at].path.is_empty() as usize;
        at += 1;
    }
    live
}

/// The bits of the fields with these names in the source; does not compile for one that is none.
pub(super) const fn bits(rows: &[FieldSpec], names: &[&str]) -> u128 {
    let (mut bits, mut name) = (0, 0);
    while name < names.len() {
        let mut row = 0;
        while !is_same(rows[row].rust, names[name]) {
            row += 1;
        }
        bits |= 1 << rows[row].id;
        name += 1;
    }
    bits
}

/// Whether two texts are the same.
const fn is_same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

/// The rows that are not given up; `N` is their [`count_live`].
pub(super) const fn live<const N: usize>(rows: &[FieldSpec]) -> [FieldSpec; N] {
    let mut kept = [rows[0]; N];
    let (mut at, mut next) = (0, 0);
    while at < rows.len() {
        if !rows[at].path.is_empty() {
            kept[next] = rows[at];
            next += 1;
        }
        at += 1;
    }
    kept
}

/// Declares a record kind; see the head of this file.
macro_rules! record {
    (
        $(#[doc = $doc:literal])*
        $name:ident {
            $($(#[doc = $fdoc:literal])+ $id:literal $field:ident: $type:ty => $path:literal, $otel:literal;)*
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct $name<'a> {
            $($(#[doc = $fdoc])+ pub $field: Option<$type>,)*
        }

        const _: () = assert!(
            $crate::record::schema::ids_rise(&[$($id),*]),
            "ids only grow, and the bitmap has 128 bits"
        );

        impl<'a> $name<'a> {
            /// The table, given-up fields included.
            const ROWS: &'static [$crate::record::FieldSpec] = &[$($crate::record::FieldSpec {
                id: $id,
                rust: stringify!($field),
                path: $path,
                kind: <$type as $crate::record::value::Field<'a>>::KIND,
                parts: <$type as $crate::record::value::Field<'a>>::PARTS,
                otel: $otel,
                doc: concat!($($fdoc),+).trim_ascii(),
            }),*];

            /// The table, without the fields that were given up.
            pub const FIELDS: &'static [$crate::record::FieldSpec] =
                &$crate::record::schema::live::<
                    { $crate::record::schema::count_live(<$name<'static>>::ROWS) }
                >(<$name<'static>>::ROWS);

            /// Bits of the fields that exist.
            const KNOWN: u128 = 0 $(| 1 << $id)*;

            /// Encodes into `out` without allocating; gives the bytes used, or `None` when it does
            /// not fit (`out` then holds part of it).
            pub fn encode(&self, out: &mut [u8]) -> Option<usize> {
                use $crate::record::{schema::BITMAP_BYTES, value::{Field as _, Writer}};
                let mut writer = Writer::new(out, BITMAP_BYTES)?;
                let mut bitmap = 0_u128;
                $(if let Some(value) = &self.$field {
                    value.put(&mut writer)?;
                    bitmap |= 1 << $id;
                })*
                writer.finish(&bitmap.to_le_bytes())
            }

            /// Decodes what `encode` wrote, borrowing from it.
            ///
            /// # Errors
            /// [`DecodeError::Damaged`]($crate::record::DecodeError::Damaged), or
            /// [`Newer`]($crate::record::DecodeError::Newer) for fields or words of a newer version.
            pub fn decode(payload: &'a [u8]) -> Result<Self, $crate::record::DecodeError> {
                Self::decode_only::<{ u128::MAX }>(payload)
            }

            /// The bits of some fields, by their names in the source, for `decode_only`.
            #[allow(dead_code, reason = "not every table is read in part")]
            pub const fn bits(names: &[&str]) -> u128 {
                $crate::record::schema::bits(<$name<'static>>::ROWS, names)
            }

            /// Decodes the fields whose bits are in `WANTED` and leaves the others out: cheaper for who
            /// needs few. What stands behind the last wanted field is not looked at, and of those before
            /// it not whether they are possible.
            ///
            /// # Errors
            /// As for `decode`.
            #[inline]
            pub fn decode_only<const WANTED: u128>(
                payload: &'a [u8],
            ) -> Result<Self, $crate::record::DecodeError> {
                use $crate::record::{schema::take_bitmap, value::Field, DecodeError};
                let (bitmap, mut input) = take_bitmap(payload, Self::KNOWN)?;
                let mut record = Self::default();
                $(if WANTED >> $id != 0 && bitmap & (1 << $id) != 0 {
                    if WANTED & (1 << $id) != 0 {
                        record.$field = Some(<$type as Field<'a>>::take(&mut input)?);
                    } else {
                        <$type as Field<'a>>::skip(&mut input)?;
                    }
                })*
                if input.is_empty() || WANTED != u128::MAX {
                    Ok(record)
                } else {
                    Err(DecodeError::Damaged)
                }
            }

            /// Appends the fields present as `,"path":value`, straight from the binary form.
            pub(super) fn write_fields(
                payload: &'a [u8],
                out: &mut Vec<u8>,
            ) -> Result<(), $crate::record::DecodeError> {
                use $crate::record::{schema::take_bitmap, value::Field, DecodeError};
                let (bitmap, mut input) = take_bitmap(payload, Self::KNOWN)?;
                $(if bitmap & (1 << $id) != 0 {
                    let value = <$type as Field<'a>>::take(&mut input)?;
                    if !$path.is_empty() {
                        out.extend_from_slice(concat!(",\"", $path, "\":").as_bytes());
                        value.json(out);
                    }
                })*
                if input.is_empty() { Ok(()) } else { Err(DecodeError::Damaged) }
            }

            /// Gives the number and value of each field present whose bit is in `wanted` to `visit`. What
            /// is not wanted is looked at as in `decode_only`.
            pub(super) fn visit_fields(
                payload: &'a [u8],
                wanted: u128,
                mut visit: impl FnMut(u8, $crate::record::Value<'a>),
            ) -> Result<(), $crate::record::DecodeError> {
                use $crate::record::{schema::take_bitmap, value::Field, DecodeError};
                let (bitmap, mut input) = take_bitmap(payload, Self::KNOWN)?;
                // Those behind the last wanted one are passed over at once.
                let bitmap = bitmap & u128::MAX.checked_shr(wanted.leading_zeros()).unwrap_or(0);
                $(if bitmap & (1 << $id) != 0 {
                    if wanted & (1 << $id) == 0 {
                        <$type as Field<'a>>::skip(&mut input)?;
                    } else {
                        let value = <$type as Field<'a>>::take(&mut input)?;
                        if !$path.is_empty() {
                            visit($id, value.value());
                        }
                    }
                })*
                if input.is_empty() || wanted != u128::MAX {
                    Ok(())
                } else {
                    Err(DecodeError::Damaged)
                }
            }
        }

        #[cfg(test)]
        #[allow(dead_code, reason = "not every table is sampled")]
        impl<'a> $name<'a> {
            /// Draws a record.
            pub(super) fn draw(source: &'a $crate::record::sample::Source) -> Self {
                use $crate::record::sample::Sample;
                Self {$(
                    $field: (source.mask & 1 << $id != 0)
                        .then(|| <$type as Sample<'a>>::draw(source, $id)),
                )*}
            }

            /// What its document must hold.
            pub(super) fn expected(&self) -> $crate::record::sample::Document {
                use $crate::record::sample::{Document, Sample as _};
                let mut want = Document::new();
                $(if let Some(value) = self.$field.filter(|_| !$path.is_empty()) {
                    want.insert($path.to_owned(), value.expected());
                })*
                want
            }
        }
    };
}
pub(super) use record;

#[cfg(test)]
mod tests {
    #![expect(unreachable_pub, reason = "the macro makes public tables")]

    use super::super::value::{Count, Text, Value};
    use super::*;

    record! {
        /// A table as an old version had it.
        Old {
            /// Kept.
            0 kept: Count => "lbproxy.kept", "";
            /// Given up later.
            3 given_up: Text<'a, 16> => "lbproxy.given_up", "";
            /// Kept as well.
            4 last: Count => "lbproxy.last", "";
        }
    }

    record! {
        /// The same table later: one field given up, one added.
        New {
            /// Kept.
            0 kept: Count => "lbproxy.kept", "";
            /// Given up.
            3 given_up: Text<'a, 16> => "", "";
            /// Kept as well,
            /// explained on two lines.
            4 last: Count => "lbproxy.last", "";
            /// Added.
            127 added: Text<'a, 16> => "lbproxy.added", "";
        }
    }

    #[test]
    fn an_older_record_is_read_and_a_newer_one_refused() {
        let mut slot = [0; 64];
        let old = Old { kept: Some(Count(1)), given_up: Some(Text(b"x")), last: Some(Count(2)) };
        let bytes = old.encode(&mut slot).unwrap();
        let read = New::decode(&slot[..bytes]).unwrap();
        assert_eq!((read.kept, read.last, read.added), (Some(Count(1)), Some(Count(2)), None));
        let (mut before, mut out) = (Vec::new(), Vec::new());
        Old::write_fields(&slot[..bytes], &mut before).unwrap();
        assert!(String::from_utf8(before).unwrap().contains(r#""lbproxy.given_up":"x""#));
        New::write_fields(&slot[..bytes], &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), r#","lbproxy.kept":1,"lbproxy.last":2"#);
        let mut seen = Vec::new();
        Old::visit_fields(&slot[..bytes], u128::MAX, |id, _| seen.push(id)).unwrap();
        assert_eq!(seen, [0, 3, 4]);
        let mut seen = Vec::new();
        New::visit_fields(&slot[..bytes], u128::MAX, |id, value| seen.push((id, value))).unwrap();
        assert_eq!(seen, [(0, Value::Number(1)), (4, Value::Number(2))]);

        let new = New { added: Some(Text(b"y")), ..New::default() };
        let bytes = new.encode(&mut slot).unwrap();
        let error = Old::decode(&slot[..bytes]).unwrap_err();
        assert_eq!(error, DecodeError::Newer);
        assert!(error.to_string().contains("newer lbproxy"), "{error}");
    }

    #[test]
    fn a_field_given_up_leaves_the_table_but_not_the_binary_form() {
        let paths: Vec<_> = New::FIELDS.iter().map(|field| (field.id, field.path)).collect();
        assert_eq!(Old::FIELDS.len(), 3);
        assert_eq!(paths, [(0, "lbproxy.kept"), (4, "lbproxy.last"), (127, "lbproxy.added")]);
        assert_eq!(New::FIELDS[1].doc, "Kept as well, explained on two lines.");
    }

    #[test]
    fn few_fields_are_decoded_without_the_others() {
        const LAST: u128 = New::bits(&["last"]);
        assert_eq!(New::bits(&["kept", "added"]), 1 | 1 << 127);
        let mut slot = [0; 64];
        let whole = New {
            kept: Some(Count(300)),
            last: Some(Count(2)),
            added: Some(Text(b"y")),
            ..New::default()
        };
        let bytes = whole.encode(&mut slot).unwrap();
        let some = New { last: whole.last, ..New::default() };
        assert_eq!(New::decode_only::<LAST>(&slot[..bytes]), Ok(some));
        assert_eq!(New::decode_only::<LAST>(&slot[..bytes - 1]), Ok(some), "cut behind them");
        let damaged = New::decode_only::<LAST>(&slot[..BITMAP_BYTES + 2]);
        assert_eq!(damaged, Err(DecodeError::Damaged), "cut before");
    }

    #[test]
    fn ids_must_rise_and_fit_the_bitmap() {
        for (ids, want) in [
            (&[][..], true),
            (&[0, 1, 127], true),
            (&[5, 9], true),
            (&[0, 0], false),
            (&[2, 1], false),
            (&[0, 128], false),
        ] {
            assert_eq!(ids_rise(ids), want, "{ids:?}");
        }
    }
}
