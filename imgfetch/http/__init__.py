"""HTTP/1.1 on connections of our own: names to addresses, connections, TLS, requests and response heads."""
