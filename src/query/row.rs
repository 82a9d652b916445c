//! One record, ready to be asked for any field.

use std::cell::OnceCell;

use super::field::{Field, Place};
use crate::record::{
    self, AccessRecord, ConnectionRecord, DecodeError, GapRecord, HeartbeatRecord, Origin, Stream,
    Value, Values,
};

/// A record with its place in the journal; borrows both.
#[derive(Debug, Clone)]
pub struct Row<'a> {
    /// Kind of record.
    pub stream: Stream,
    /// Where it stands.
    pub origin: Origin<'a>,
    payload: &'a [u8],
    values: Values<'a>,
    /// The instance as documents have it, once somebody asked for it.
    instance: OnceCell<[u8; 10]>,
}

impl<'a> Row<'a> {
    /// Reads a record.
    ///
    /// # Errors
    /// When the payload is no record of this kind.
    pub fn read(
        stream: Stream,
        payload: &'a [u8],
        origin: Origin<'a>,
    ) -> Result<Self, DecodeError> {
        Self::read_some(stream, payload, origin, u128::MAX)
    }

    /// Reads the fields of a record whose bits ([`Field::bits`]) are in `wanted`; the others are as if
    /// it had none. Cheaper for who asks the same of many records.
    ///
    /// # Errors
    /// As for [`Row::read`], as far as it is looked at.
    pub fn read_some(
        stream: Stream,
        payload: &'a [u8],
        origin: Origin<'a>,
        wanted: u128,
    ) -> Result<Self, DecodeError> {
        let values = Values::read_some(stream, payload, wanted)?;
        Ok(Self { stream, origin, payload, values, instance: OnceCell::new() })
    }

    /// The value of a field, if the record has it.
    pub fn get(&self, field: &Field) -> Option<Value<'_>> {
        match field.place {
            Place::Record(ids) => self.values.get(ids[self.stream.place()]?),
            Place::Derived(stream, name) if stream == self.stream => {
                self.values.derived(stream, name)
            }
            Place::Derived(..) => None,
            Place::Stream => Some(Value::Text(self.stream.as_str().as_bytes())),
            Place::Origin(name) => {
                let constants = self.origin.constants;
                match name {
                    "node_name" => Some(Value::Text(constants.node_name.as_bytes())),
                    "version" => Some(Value::Text(constants.version.as_bytes())),
                    "config_hash" => Some(Value::Text(constants.config_hash.as_bytes())),
                    "instance" => {
                        let digits = self.instance.get_or_init(|| self.origin.instance_digits());
                        Some(Value::Text(digits))
                    }
                    "worker" => Some(Value::Number(u64::from(self.origin.worker))),
                    "epoch" => Some(Value::Number(u64::from(self.origin.epoch))),
                    "seq" => Some(Value::Number(self.origin.seq)),
                    _ => None,
                }
            }
        }
    }

    /// It as the record of an exchange, if it is one.
    pub fn access(&self) -> Option<AccessRecord<'a>> {
        (self.stream == Stream::Access).then(|| AccessRecord::decode(self.payload).ok())?
    }

    /// It as the record of a connection, if it is one.
    pub fn connection(&self) -> Option<ConnectionRecord<'a>> {
        (self.stream == Stream::Connection).then(|| ConnectionRecord::decode(self.payload).ok())?
    }

    /// It as a gap, if it is one.
    pub fn gap(&self) -> Option<GapRecord<'a>> {
        (self.stream == Stream::Gap).then(|| GapRecord::decode(self.payload).ok())?
    }

    /// Whether it comes by itself at a fixed pace and tells of nothing that happened.
    pub fn is_routine(&self) -> bool {
        match self.stream {
            Stream::Access | Stream::Connection | Stream::Gap => false,
            Stream::Process | Stream::Rollup | Stream::Slo => true,
            Stream::Heartbeat => {
                HeartbeatRecord::decode(self.payload).is_ok_and(|record| record.action.is_none())
            }
        }
    }

    /// Its binary form.
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// Appends its document.
    ///
    /// # Errors
    /// None: it was read once.
    pub fn write_document(&self, out: &mut Vec<u8>) -> Result<(), DecodeError> {
        record::write_document(self.stream, self.payload, &self.origin, out)
    }

    /// Wall time in milliseconds since 1970; 0 without one. Field 0 of every kind.
    pub fn time_ms(&self) -> u64 {
        match self.values.get(0) {
            Some(Value::TimeMs(ms)) => ms,
            _ => 0,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::record::{AccessRecord, Constants, IdForm, ORIGIN_FIELDS, TimestampMs};

    pub(in super::super) static CONSTANTS: Constants = Constants {
        node_name: String::new(),
        version: String::new(),
        config_hash: String::new(),
        ids: IdForm::Bytes,
    };

    /// Calls `check` with the row of a record.
    pub(in super::super) fn with_row<T>(
        record: &AccessRecord<'_>,
        check: impl FnOnce(&Row<'_>) -> T,
    ) -> T {
        let mut payload = vec![0; 64 * 1024];
        let used = record.encode(&mut payload).unwrap();
        let origin = Origin { instance: 0xab, epoch: 7, worker: 1, seq: 42, constants: &CONSTANTS };
        check(&Row::read(Stream::Access, &payload[..used], origin).unwrap())
    }

    /// Goal: no field of a document is unknown to questions. Method: each origin field against the
    /// document of the same record; the others are tested with `Values`.
    #[test]
    fn what_surrounds_a_record_is_told_as_in_its_document() {
        let constants = Constants {
            node_name: "n".to_owned(),
            version: "v".to_owned(),
            config_hash: "h".to_owned(),
            ids: IdForm::Bytes,
        };
        let origin = Origin { instance: 0xab, epoch: 7, worker: 1, seq: 42, constants: &constants };
        let record = AccessRecord { timestamp: Some(TimestampMs(5)), ..AccessRecord::default() };
        let mut payload = [0; 64];
        let used = record.encode(&mut payload).unwrap();
        let row = Row::read(Stream::Access, &payload[..used], origin).unwrap();
        let mut document = Vec::new();
        row.write_document(&mut document).unwrap();
        let document = String::from_utf8(document).unwrap();
        for spec in ORIGIN_FIELDS {
            let text = match row.get(Field::find(spec.path).unwrap()) {
                Some(Value::Text(text)) => format!("\"{}\"", String::from_utf8_lossy(text)),
                Some(Value::Number(number)) => number.to_string(),
                other => panic!("{}: {other:?}", spec.path),
            };
            let want = format!("\"{}\":{text}", spec.path);
            assert!(document.contains(&want), "{want} is not in {document}");
        }
        assert_eq!(row.time_ms(), 5);
        assert_eq!(row.get(Field::find("stream").unwrap()), Some(Value::Text(b"access")));
        assert_eq!(row.get(Field::find("lbproxy.gap.count").unwrap()), None);
    }
}
