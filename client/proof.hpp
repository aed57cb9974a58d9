// Proof: why a session's manager is believed to be the one that was asked for. What a manager says
// of itself proves nothing: its incarnation stands in every handle. So a session is found, or taken
// for another one, by its proof together with what its manager says (see
// docs/decisions/0039-what-proves-a-manager.md).
#pragma once

#include <cstdint>
#include <string>

namespace steward::detail::client {

// A value. Two sessions with one incarnation and equal proofs are with the same manager, or with
// two that may stand for each other anyway.
struct Proof {
  // The weakest first.
  enum class Kind : std::uint8_t {
    address,  // nothing but that it answers where it was dialled
    key,      // it holds a key
    user,     // the kernel says that it is a process of this user
  };
  Kind kind = Kind::address;
  std::string of = {};  // the address; the public key; empty

  friend bool operator==(const Proof&, const Proof&) = default;
  // Whether what is said by a manager of this proof may lead to calls to one of the other. Not
  // where that one would trust somebody else for us.
  bool vouches_for(const Proof& other) const {
    return kind > other.kind || (kind == other.kind && (kind != Kind::key || of == other.of));
  }
};

}  // namespace steward::detail::client
