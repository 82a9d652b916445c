"""A mail server for tests: aiosmtpd on loopback, which asks for STARTTLS and a password where it is told to.

Usage: smtp.py PORT [CERT KEY]. Prints `ready`, then each mail as a line of JSON. Ends with its standard input.
"""
import json
import ssl
import sys

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult


class Keep:
    """Prints what arrives; refuses one address for good."""

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        if address.startswith("nobody@"):
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "content": envelope.content.decode("utf8", errors="replace"),
            "tls": session.ssl is not None,
            "user": session.auth_data,
        }
        print(json.dumps(mail), flush=True)
        return "250 2.0.0 kept"


def authenticate(server, session, envelope, mechanism, data):
    """One user, one password."""
    good = data.login == b"lbproxy" and data.password == b"hunter22"
    return AuthResult(success=good, handled=False, auth_data=data.login.decode())


def main():
    port, files = int(sys.argv[1]), sys.argv[2:]
    keys = {}
    if files:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*files)
        keys = {"tls_context": context, "require_starttls": True, "authenticator": authenticate,
                "auth_required": True}
    controller = Controller(Keep(), hostname="127.0.0.1", port=port, **keys)
    controller.start()
    print("ready", flush=True)
    sys.stdin.read()
    controller.stop()


main()
