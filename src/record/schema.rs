//! The one macro that makes a record kind from its table.
//!
//! A row reads
//! ```text
//! /// What it means, exactly.
//! 12 connect_us: Micros => "lbproxy.upstream.connect_us", "otel.name";
//! ```
//! and becomes: a field `Option<Micros>` of the struct; its place in the binary form (a bitmap of
//! 128 bits says which fields are present, their values follow in the order of ids); a key of the
//! document; a row of `FIELDS`, from which index templates and `docs/records.md` are made. Ids only
//! grow: the compiler refuses a lower or repeated one. A retired field keeps its row.

use super::value::FieldKind;

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
    /// It has fields that this version does not know.
    #[error("the record was written by a newer lbproxy; read it with that version")]
    Newer,
}

/// Bytes of the bitmap before the values.
pub(super) const BITMAP_BYTES: usize = 16;

/// Reads the bitmap and refuses bits at or above `count`.
pub(super) fn take_bitmap(payload: &[u8], known: u128) -> Result<(u128, &[u8]), DecodeError> {
    let (bitmap, rest) = payload.split_at_checked(BITMAP_BYTES).ok_or(DecodeError::Damaged)?;
    let bitmap = u128::from_le_bytes(bitmap.try_into().map_err(|_| DecodeError::Damaged)?);
    if bitmap & !known == 0 { Ok((bitmap, rest)) } else { Err(DecodeError::Newer) }
}

/// Declares a record kind; see the head of this file.
macro_rules! record {
    (
        $(#[$doc:meta])*
        $name:ident {
            $(#[doc = $fdoc:literal] $id:literal $field:ident: $type:ty => $path:literal, $otel:literal;)*
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct $name<'a> {
            $(#[doc = $fdoc] pub $field: Option<$type>,)*
        }

        // Ids rise from row to row and fit the bitmap.
        const _: () = {
            let ids: &[i32] = &[$($id),*];
            let mut at = 1;
            while at < ids.len() {
                assert!(ids[at] > ids[at - 1], "ids only grow");
                at += 1;
            }
            assert!(ids[ids.len() - 1] < 128, "the bitmap has 128 bits");
        };

        impl<'a> $name<'a> {
            /// The table.
            pub const FIELDS: &'static [$crate::record::FieldSpec] = &[$($crate::record::FieldSpec {
                id: $id,
                rust: stringify!($field),
                path: $path,
                kind: <$type as $crate::record::value::Field<'a>>::KIND,
                otel: $otel,
                doc: $fdoc,
            }),*];

            /// Bits of the fields that exist.
            const KNOWN: u128 = 0 $(| 1 << $id)*;

            /// Encodes into `out`; gives the bytes used, or `None` when it does not fit.
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
            /// Damage, or fields of a newer version.
            pub fn decode(payload: &'a [u8]) -> Result<Self, $crate::record::DecodeError> {
                use $crate::record::{schema::take_bitmap, value::Field, DecodeError};
                let (bitmap, mut input) = take_bitmap(payload, Self::KNOWN)?;
                let mut record = Self::default();
                $(if bitmap & (1 << $id) != 0 {
                    record.$field =
                        Some(<$type as Field<'a>>::take(&mut input).ok_or(DecodeError::Damaged)?);
                })*
                if input.is_empty() { Ok(record) } else { Err(DecodeError::Damaged) }
            }

            /// Appends the fields present as `"path":value,` straight from the binary form.
            pub(super) fn write_fields(
                payload: &'a [u8],
                out: &mut Vec<u8>,
            ) -> Result<(), $crate::record::DecodeError> {
                use $crate::record::{schema::take_bitmap, value::Field, DecodeError};
                let (bitmap, mut input) = take_bitmap(payload, Self::KNOWN)?;
                $(if bitmap & (1 << $id) != 0 {
                    let value =
                        <$type as Field<'a>>::take(&mut input).ok_or(DecodeError::Damaged)?;
                    out.extend_from_slice(concat!("\"", $path, "\":").as_bytes());
                    value.json(out);
                    out.push(b',');
                })*
                if input.is_empty() { Ok(()) } else { Err(DecodeError::Damaged) }
            }
        }
    };
}
pub(super) use record;
