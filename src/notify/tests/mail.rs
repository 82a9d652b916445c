//! Mail servers that want to be talked to for ever.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use super::super::fixture::{notice, notify};
use super::super::message::Message;
use super::super::send::Sender;
use crate::notify::answer::Answer;

/// Why a mail is not taken by a server that sends `bytes` again and again with pauses, and how many bytes it
/// could send until the connection was closed.
fn check(bytes: &'static [u8], pause: Duration) -> (String, usize) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut sent = 0;
        stream.set_read_timeout(Some(pause)).unwrap();
        loop {
            match stream.write(bytes) {
                Ok(count) => sent += count,
                Err(_) => return sent,
            }
            // The pause ends with the connection.
            if let Ok(0) = stream.read(&mut [0; 1024]) {
                return sent;
            }
        }
    });
    let config = notify(&format!(
        "channels: {{a: {{type: email, server: localhost, port: {port}, encryption: none, \
         from: a@example.com, to: [b@example.com], timeout: 100ms}}}}"
    ));
    let mut sender = Sender::new(Arc::new(config.channels[0].clone())).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let message = Arc::new(Message::of(&notice('1')));
    let answer = runtime.block_on(sender.deliver(&[message]));
    let Answer::Later { reason, .. } = answer else { panic!("{answer:?}") };
    (reason, server.join().unwrap())
}

#[test]
fn a_mail_ends_whatever_its_server_says() {
    const SOON: Duration = Duration::from_millis(1);
    let (reason, sent) = check(&[b'2'; 4096], SOON);
    assert_eq!(reason, "its reply is too long");
    assert!(sent < 1 << 20, "{sent} bytes");
    let (reason, sent) = check(b"2", Duration::from_millis(20));
    assert_eq!(reason, "no end of the mail in time");
    assert!((1..100).contains(&sent), "{sent} bytes");
}
