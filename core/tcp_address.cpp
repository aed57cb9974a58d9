#include <steward/core/tcp_address.hpp>

#include <algorithm>
#include <array>
#include <charconv>

#include <steward/core/errors.hpp>

namespace steward::detail::core {
namespace {

constexpr std::string_view kScheme = "tcp://";

bool is_name(std::string_view host) {
  if (host == "*") return true;
  const bool bracketed = host.starts_with('[') && host.ends_with(']') && host.size() > 2;
  if (bracketed) host = host.substr(1, host.size() - 2);
  return !host.empty() && std::ranges::all_of(host, [&](unsigned char c) {
    const bool ordinary = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                          (c >= 'A' && c <= 'Z') || c == '.' || c == '-' || c == '_';
    return ordinary || (bracketed && (c == ':' || c == '%'));
  });
}

// Four numbers, the first of which is 127: a name that merely begins so may lie anywhere.
bool is_ipv4_loopback(std::string_view host) {
  int parts = 0;
  const char* at = host.data();
  const char* const end = at + host.size();
  for (;;) {
    std::uint8_t part = 0;
    const auto [next, error] = std::from_chars(at, end, part);
    if (error != std::errc() || (parts == 0 && part != 127)) return false;
    ++parts;
    if (next == end) return parts == 4;
    if (*next != '.') return false;
    at = next + 1;
  }
}

}  // namespace

std::string TcpAddress::text() const {
  return std::string(kScheme) + host + ":" + std::to_string(port);
}

bool TcpAddress::is_wildcard() const {
  return host == "*" || host == "0.0.0.0" || host == "[::]";
}

bool TcpAddress::is_loopback() const {
  return host == "localhost" || host == "[::1]" || is_ipv4_loopback(host);
}

std::optional<TcpAddress> parse_tcp(std::string_view address) {
  if (!address.starts_with(kScheme)) return std::nullopt;
  const std::string_view rest = address.substr(kScheme.size());
  const std::size_t colon = rest.rfind(':');
  const std::string_view host = rest.substr(0, colon);
  TcpAddress parsed{std::string(host), 0};
  if (colon != std::string_view::npos && is_name(host)) {
    const char* const end = rest.data() + rest.size();
    const auto [next, error] = std::from_chars(rest.data() + colon + 1, end, parsed.port);
    if (error == std::errc() && next == end) return parsed;
  }
  throw BadCall("not an address: \"" + std::string(address) +
                "\"; tcp://host:port is one, with a port up to 65535");
}

}  // namespace steward::detail::core
