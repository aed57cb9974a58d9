// The limits of managers and of the protocol. Others stand where they belong, since nothing here
// changes them: calls in one frame (wire.cpp), places, participants and item sizes of a queue in
// shared memory (shm/queue_layout.hpp, shm/queue_words.hpp), processes and tasks of a pool
// (process/board.hpp), messages of a Connection (set_message_limit), characters of a passphrase
// (auth_key.hpp).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace steward::detail::core {

// What a server grants; ManagerOptions::limits changes them. Past a limit a call gets Overloaded
// and changes nothing, unless a line says otherwise.
struct Limits {
  std::size_t message_bytes = 64U << 20U;           // one frame; past it the session is closed
                                                    // (a client throws Overloaded before)
  // A session; its client waits by itself. 15/16 of them (960) may wait for what others do: lock(),
  // get(), put(), join(), and each object that wait() looks at. Whoever has what they wait for
  // finds a place in any case. One that finds none among the 960 in 10 s gets Overloaded: the
  // others may wait for just that one.
  std::size_t calls_in_flight = 1024;
  std::size_t parked_calls = 1'000'000;             // of all sessions
  std::size_t reply_store_bytes = 64U << 20U;       // kept for retries, a session
  // A session that does not read; past it: closed. Also the results that one message may ask for.
  std::size_t unsent_bytes = 64U << 20U;
  std::chrono::seconds unsent_time{60};             // likewise
  std::size_t sessions = 16'384;                    // refused with the reason
  std::size_t handshakes = 256;                     // pending; the oldest is dropped
  std::chrono::seconds handshake_time{3};
  std::size_t objects = 10'000'000;
  std::chrono::seconds claim_lease{60};             // of a handle in flight
  std::size_t claim_leases = 10'000;                // a session
  std::size_t name_bytes = 255;                     // of a named object; past it: BadCall
  // Bytes of all objects, by Value::footprint and server::kObjectBytes; 0: no limit. Past it, what
  // could add gets Overloaded; reads, removals and what changes numbers in place go on. Items of
  // queues that lie in shared memory do not count.
  std::size_t memory = 0;
  // What a remote session keeps although nothing is heard of it; past it the session ends. Its
  // client speaks up three times as often.
  std::chrono::milliseconds session_lease = std::chrono::seconds(15);
};

// Throws BadCall, in a sentence, for limits under which no client could be served.
void check_limits(const Limits& limits);

// Nesting of one value; past it: BadCall. Fixed: it bounds recursion on both sides of the wire.
inline constexpr std::size_t kValueDepth = 64;
// A frame wraps values into envelopes, argument lists and snapshots of containers.
inline constexpr std::size_t kFrameDepth = kValueDepth + 8;

inline constexpr std::size_t kTypeNameBytes = 255;
inline constexpr std::size_t kMethodNameBytes = 255;
inline constexpr std::size_t kAddressBytes = 255;
inline constexpr std::size_t kAddressesInToken = 4;
inline constexpr std::size_t kErrorTextBytes = 4096;  // longer texts are cut

}  // namespace steward::detail::core
