"""acme2certifier over HTTPS: a CA that has ARI (RFC 9773), which Pebble 2.4.0 lacks.

acme2certifier is a WSGI application and leaves TLS and processes to a web server in front of it; here the standard
library's does. Its settings are in the file that ACME_SRV_CONFIGFILE names.
"""

import argparse
import socketserver
import ssl
import sys
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server


class Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        # A client that hangs up is no news; anything else is told in one line.
        print("connection:", repr(sys.exc_info()[1]), flush=True)


class Server6(Server):
    address_family = 10  # AF_INET6


class Handler(WSGIRequestHandler):
    def get_environ(self):
        # Before the answer, so that who has the answer finds the line. The standard library's comes after it.
        print(">", self.command, self.path, flush=True)
        # The scheme of the URLs that the CA builds.
        return {**super().get_environ(), "HTTPS": "on"}

    def address_string(self):
        return self.client_address[0]

    def log_message(self, format, *args):
        print(format % args, flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--address", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--certificate", required=True)
    parser.add_argument("--key", required=True)
    options = parser.parse_args()

    # Reads its settings when it is imported.
    from acme2certifier.share.acme2certifier_wsgi import application

    kind = Server6 if ":" in options.address else Server
    server = make_server(options.address, options.port, application, server_class=kind, handler_class=Handler)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(options.certificate, options.key)
    # The handshake is made by the first read, in the connection's own thread.
    server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    print(f"serving on {options.address}:{options.port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
