"""A stand-in for the internet: an origin on the loopback interface, with pictures drawn for the occasion."""
