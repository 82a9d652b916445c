//! A DNS server on loopback for tests, by UDP and by TCP, whose answers a test changes as it likes.
//!
//! An answer that is too long for UDP comes truncated, as from a real server. Of the tests of `names`, too.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::sync::{Arc, Mutex};

use hickory_resolver::proto::op::{Message, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::{CNAME, SRV};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};

/// Longest answer by UDP.
const UDP_BYTES_MAX: usize = 1232;

/// What the server says to a question.
pub(crate) enum Says {
    /// These, and more that nobody asked for.
    Records(Vec<Record>, Vec<Record>),
    /// The name is there and has no such record.
    Nothing,
    NoSuchName,
    Fails,
    /// No answer at all.
    Silent,
    /// Bytes that are no answer.
    Garbage(Vec<u8>),
}

/// Name and kind of record to what is said; names are lower case and end in a dot.
type Zone = Box<dyn Fn(&str, RecordType) -> Says + Send>;

/// A running server; ends with the process of the tests, or is [`Dns::stop`]ped.
pub(crate) struct Dns {
    pub(crate) address: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    asked: Arc<Mutex<Vec<(String, RecordType)>>>,
}

impl Dns {
    pub(crate) fn start(zone: impl Fn(&str, RecordType) -> Says + Send + 'static) -> Self {
        let (udp, tcp) = sockets();
        let address = udp.local_addr().unwrap();
        let zone: Arc<Mutex<Zone>> = Arc::new(Mutex::new(Box::new(zone)));
        let dns = Self { address, zone, asked: Arc::default() };
        let answer = dns.answerer();
        std::thread::spawn(move || {
            let mut question = vec![0; 4096];
            while let Ok((bytes, from)) = udp.recv_from(&mut question) {
                let Some(mut said) = answer(&question[..bytes], false) else { continue };
                if said.len() > UDP_BYTES_MAX {
                    said = answer(&question[..bytes], true).unwrap();
                }
                let _ = udp.send_to(&said, from);
            }
        });
        let answer = Arc::new(dns.answerer());
        std::thread::spawn(move || {
            for mut stream in tcp.incoming().map_while(Result::ok) {
                let answer = Arc::clone(&answer);
                std::thread::spawn(move || {
                    let mut length = [0; 2];
                    while stream.read_exact(&mut length).is_ok() {
                        let mut question = vec![0; u16::from_be_bytes(length).into()];
                        if stream.read_exact(&mut question).is_err() {
                            return;
                        }
                        let Some(said) = answer(&question, false) else { continue };
                        let length = u16::try_from(said.len()).unwrap().to_be_bytes();
                        let _ = stream.write_all(&[&length[..], &said].concat());
                    }
                });
            }
        });
        dns
    }

    /// Says something else from now on.
    pub(crate) fn set(&self, zone: impl Fn(&str, RecordType) -> Says + Send + 'static) {
        *self.zone.lock().unwrap() = Box::new(zone);
    }

    /// What it was asked so far.
    pub(crate) fn asked(&self) -> Vec<(String, RecordType)> {
        self.asked.lock().unwrap().clone()
    }

    /// From a question to an answer, which may be too long for UDP.
    fn answerer(&self) -> impl Fn(&[u8], bool) -> Option<Vec<u8>> + Send + Sync + 'static {
        let (zone, asked) = (Arc::clone(&self.zone), Arc::clone(&self.asked));
        move |question, is_too_long| {
            let question = Message::from_vec(question).ok()?;
            let query = question.queries.first()?.clone();
            let name = query.name().to_ascii().to_ascii_lowercase();
            let mut said = Message::response(question.metadata.id, OpCode::Query);
            said.metadata.recursion_desired = true;
            said.metadata.recursion_available = true;
            said.metadata.truncation = is_too_long;
            said.queries.push(query.clone());
            if is_too_long {
                return Some(said.to_vec().unwrap());
            }
            asked.lock().unwrap().push((name.clone(), query.query_type()));
            match (*zone.lock().unwrap())(&name, query.query_type()) {
                Says::Records(answers, beside) => {
                    said.answers = answers;
                    said.additionals = beside;
                }
                Says::Nothing => (),
                Says::NoSuchName => said.metadata.response_code = ResponseCode::NXDomain,
                Says::Fails => said.metadata.response_code = ResponseCode::ServFail,
                Says::Silent => return None,
                Says::Garbage(bytes) => return Some(bytes),
            }
            Some(said.to_vec().unwrap())
        }
    }
}

/// The same port of UDP and of TCP.
fn sockets() -> (UdpSocket, TcpListener) {
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().unwrap()) {
            return (udp, tcp);
        }
    }
}

/// A name that ends in a dot.
fn name(text: &str) -> Name {
    let mut name = Name::from_ascii(text).unwrap();
    name.set_fqdn(true);
    name
}

/// Addresses of a name, of the kind that was asked for.
pub(crate) fn addresses(owner: &str, ttl: u32, ips: &[IpAddr], kind: RecordType) -> Says {
    let record = |ip: &IpAddr| Record::from_rdata(name(owner), ttl, RData::from(*ip));
    let records: Vec<_> =
        ips.iter().map(record).filter(|record| record.record_type() == kind).collect();
    if records.is_empty() { Says::Nothing } else { Says::Records(records, Vec::new()) }
}

/// A host of a service: priority, weight, port, name.
pub(crate) fn srv(
    owner: &str,
    ttl: u32,
    (priority, weight, port, host): (u16, u16, u16, &str),
) -> Record {
    Record::from_rdata(name(owner), ttl, RData::SRV(SRV::new(priority, weight, port, name(host))))
}

/// Another name.
pub(crate) fn alias(owner: &str, ttl: u32, other: &str) -> Record {
    Record::from_rdata(name(owner), ttl, RData::CNAME(CNAME(name(other))))
}

/// An address.
pub(crate) fn address(owner: &str, ttl: u32, ip: IpAddr) -> Record {
    Record::from_rdata(name(owner), ttl, RData::from(ip))
}
