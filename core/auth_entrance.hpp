// Who may enter at a tcp port: one set of rules, for managers and for listeners.
//
// Thread safety: all functions may be called from any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <steward/core/auth_key.hpp>
#include <steward/core/tcp_address.hpp>

namespace steward::detail::core {

// Throws BadCall if `who` ("a manager") must not listen at this address with this key: off this
// host without one (empty), or with a passphrase that is too short.
void check_entrance(std::string_view who, const TcpAddress& address, std::string_view key);

// Writes one line to standard error: at a tcp address without a key every user of this host may do
// what `may` says ("use this manager").
void warn_of_open_port(std::string_view may) noexcept;
// The text of that line, without the newline.
std::string open_port_warning(std::string_view may);

// ZeroMQ asks who may enter through a socket inside the process, and lets nobody in whom it gets no
// answer for (its RFC 27, ZAP). A socket asks in this domain:
inline constexpr std::string_view kZapDomain = "steward";

// The reply to the frames of a ZAP request; its views are of those frames and of constants. Whoever
// holds the secret to this public key may enter, and nobody else.
std::array<std::string_view, 6> answer_zap(const std::vector<std::string_view>& question,
                                           const std::array<std::uint8_t, 32>& client);

}  // namespace steward::detail::core
