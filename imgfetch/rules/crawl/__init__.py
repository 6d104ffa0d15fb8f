"""Rules for contacting hosts: address guard, limits of a host, robots.txt, opt-outs, speed."""
