// Outbox: what the server has to say after a batch, gathered until the gate lets it go. All replies
// of one batch to one session leave as one envelope. What a client does not read waits here: who
// calls it looks whether it is full before more is asked for.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <steward/core/clock.hpp>
#include <steward/core/limits.hpp>
#include <steward/manager/server/listener.hpp>

namespace steward::detail::server {

// What went one way since the start.
struct Traffic {
  std::uint64_t frames = 0;
  std::uint64_t bytes = 0;
};

// Thread safety: none; the loop's thread only. The listener must outlive it.
class Outbox {
 public:
  // What keeping a frame costs beside its bytes.
  static constexpr std::size_t kFrameCost = 64;

  Outbox(Listener& listener, core::Limits limits) : listener_(listener), limits_(limits) {}
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;

  // One encoded reply (core::append_reply), which fits into an envelope of `message_bytes`.
  void reply(const std::string& route, std::shared_ptr<const std::string> bytes);
  // One whole envelope, in order with the replies.
  void envelope(const std::string& route, std::string frame);

  // Sends what was gathered, or keeps it in order behind what waits already.
  void release(core::Time now);
  // Tries again what waits, if it is time. True: there is less of it.
  bool retry(core::Time now);
  // It may be time: the listener has something to say.
  void retry_soon() { soon_ = true; }
  // Of an overfull route: behind what waits there comes this one envelope, which tells the client
  // to ask again. Replies are not kept before it has read that: it gets them when it asks.
  void ask_to_resume(const std::string& route, std::string frame, core::Time now);
  // Nothing more goes there.
  void forget(const std::string& route);
  // Something waits for this client to read.
  bool waits_for(const std::string& route) const { return waiting_.contains(route); }
  // So much that it is not to be given more.
  bool is_full(const std::string& route) const;
  // That release() will send.
  std::size_t gathered_bytes() const { return gathered_bytes_; }

  // Routes whose connection was found gone, those for which too much waits to keep more, and those
  // that have read nothing for too long.
  std::vector<std::string> take_gone() { return std::exchange(gone_, {}); }
  std::vector<std::string> take_overfull() { return std::exchange(overfull_, {}); }
  std::vector<std::string> take_slow() { return std::exchange(slow_, {}); }

  // What the listener has taken.
  const Traffic& sent() const { return sent_; }

  // When to retry, although the listener shows nothing.
  core::Deadline next_deadline() const { return next_retry_; }

 private:
  // To one route, in order: replies, or one envelope.
  struct Parcel {
    std::string route;
    std::vector<std::shared_ptr<const std::string>> replies;
    std::string frame;
    bool open = false;  // more replies go into it
  };
  struct Waiting {
    std::deque<std::string> frames;
    std::size_t bytes = 0;  // with what it costs to keep them
    core::Time since;       // nothing could be sent
    bool overfull = false;  // nothing more is kept
  };

  Parcel& add_parcel(const std::string& route);
  // nullptr: there is none.
  Parcel* open_parcel(const std::string& route);
  void send_replies(const Parcel& parcel, core::Time now);
  void send(const std::string& route, std::string frame, core::Time now);
  void note_sent(std::size_t bytes);
  void keep(const std::string& route, std::string frame, core::Time now);
  void add(Waiting& waiting, std::string frame, core::Time now);
  // False: nothing waits any more, or it is gone or past its budget, and noted so.
  bool send_waiting(const std::string& route, Waiting& waiting, core::Time now);

  Listener& listener_;
  const core::Limits limits_;
  // The first `parcels_` of them: the others keep their memory for the next batch.
  std::vector<Parcel> gathered_;
  std::size_t parcels_ = 0;
  std::size_t gathered_bytes_ = 0;
  std::unordered_map<std::string, std::size_t> open_;  // those that are, once there are many
  std::vector<std::string_view> bundle_;               // empty, but within send_replies
  std::unordered_map<std::string, Waiting> waiting_;
  core::Deadline next_retry_;
  core::Time last_retry_;
  bool soon_ = false;
  std::vector<std::string> gone_;
  std::vector<std::string> overfull_;
  std::vector<std::string> slow_;
  Traffic sent_;
};

}  // namespace steward::detail::server
