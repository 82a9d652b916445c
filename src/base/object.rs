//! JSON objects that somebody else wrote, as structs of ours.
//!
//! `serde` reads a derived struct from an array too, its elements as the fields in their order: then
//! `[]` is an object without its optional fields. [`Object`] reads objects alone.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// A struct that is read from an object and from nothing else.
#[derive(Debug, Clone, Default)]
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct OfMap<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for OfMap<T> {
            type Value = T;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }

        from.deserialize_map(OfMap(PhantomData)).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::RawValue;

    use super::Object;

    #[derive(serde::Deserialize)]
    struct Pair {
        first: u8,
        second: Option<Box<RawValue>>,
    }

    #[test]
    fn only_an_object_is_one() {
        let rows = [
            (r#"{"first":1,"second":[2]}"#, Some((1, Some("[2]")))),
            (r#"{"first":1,"other":{}}"#, Some((1, None))),
            (r#"{"second":2}"#, None),
            ("[1,2]", None),
            ("[1]", None),
            ("[]", None),
            ("null", None),
            ("1", None),
        ];
        for (text, want) in rows {
            let got = serde_json::from_str::<Object<Pair>>(text).ok();
            let got = got.as_ref().map(|Object(pair)| (pair.first, pair.second.as_deref()));
            assert_eq!(
                got.map(|(first, second)| (first, second.map(RawValue::get))),
                want,
                "{text}"
            );
        }
    }
}
