"""A small telephone network on one machine: hosts in network namespaces, a NAT, and a line that loses and delays."""
