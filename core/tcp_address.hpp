// Addresses of managers that are reached over tcp: "tcp://host:port".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace steward::detail::core {

struct TcpAddress {
  std::string host;  // a name, an IPv4 address, an IPv6 address in [ ], or "*": all interfaces
  std::uint16_t port = 0;

  std::string text() const;
  // Every interface of the host, whose addresses are not known from this.
  bool is_wildcard() const;
  // Reached from this host only, whatever resolvers say.
  bool is_loopback() const;
};

// nullopt: some other kind of address. Throws BadCall if it begins as one and is none.
std::optional<TcpAddress> parse_tcp(std::string_view address);

}  // namespace steward::detail::core
