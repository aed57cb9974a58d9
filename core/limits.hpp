// The limits of managers and of the protocol. Fixed limits, which no option changes, stand where
// they are used: calls in one frame (wire.cpp), maxsize, participants and item sizes of a queue in
// shared memory (shm/queue_layout.hpp, shm/queue_words.hpp), processes and tasks of a pool
// (pool/worker_table.hpp, pool/rings.hpp), messages of a Connection (set_message_limit), characters
// of a passphrase (auth_key.hpp), memory and comparisons of what is read (reader.hpp).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace steward::detail::core {

// What a server grants; ManagerOptions::limits changes them. Past a limit a call gets Overloaded
// and changes nothing, unless a line says otherwise (for results past message_bytes see
// Overloaded).
struct Limits {
  std::size_t message_bytes = 64U << 20U;           // one frame; past it the session is closed
                                                    // (a client throws Overloaded before)
  // Calls in flight, per session; past it the client waits before it sends. 15/16 of them (960) may
  // wait for what others do: lock(), get(), put(), join(), and each object that wait() looks at. So
  // there is always room for the calls of whoever has what these wait for. A call that finds no
  // room among the 960 within 10 s throws Overloaded: the others may wait for just that one.
  std::size_t calls_in_flight = 1024;
  std::size_t parked_calls = 1'000'000;             // in all sessions; past it each has its share
  std::size_t reply_store_bytes = 64U << 20U;       // replies kept for one; of all 16 times that
  // Replies that wait for one session whose client does not read: with so many it is served when it
  // has read. Also the limit of all results that 32 calls of one message may ask for.
  std::size_t unsent_bytes = 64U << 20U;
  std::chrono::seconds unsent_time{60};  // how long they may wait; past it the session is closed
  std::size_t sessions = 16'384;         // past it new sessions are refused, with the reason
  std::size_t handshakes =
      256;  // local peers that have not begun a session yet; past it the oldest is dropped
  std::chrono::seconds handshake_time{3};
  std::size_t objects = 10'000'000;
  std::chrono::seconds claim_lease{
      60};  // how long an object outlives its last reference while a handle is under way
  std::size_t claim_leases = 10'000;                // a session
  std::size_t name_bytes = 255;                     // of a named object; past it: BadCall
  // Bytes of all objects, by Value::footprint and server::kObjectBytes; 0: no limit. Past it, what
  // could add gets Overloaded; reads, removals and what changes numbers in place go on. Items of
  // queues that lie in shared memory do not count.
  std::size_t memory = 0;
  // How long a remote session lives when nothing is heard of its client. The client sends something
  // three times in that time.
  std::chrono::milliseconds session_lease = std::chrono::seconds(15);
};

// Throws BadCall, in a sentence, for limits under which no client could be served.
void check_limits(const Limits& limits);

// Nesting of one value; past it: BadCall. Fixed: it bounds recursion on both sides of the wire.
inline constexpr std::size_t kValueDepth = 64;
// A frame wraps values into envelopes, argument lists and snapshots of containers.
inline constexpr std::size_t kFrameDepth = kValueDepth + 8;

// A client that comes back lists its calls under way in one frame: no session has more.
inline constexpr std::size_t kCallsInFlightMost = 65'536;

inline constexpr std::size_t kTypeNameBytes = 255;
inline constexpr std::size_t kMethodNameBytes = 255;
inline constexpr std::size_t kAddressBytes = 255;
inline constexpr std::size_t kAddressesInToken = 4;
inline constexpr std::size_t kErrorTextBytes = 4096;  // longer texts are cut

}  // namespace steward::detail::core
