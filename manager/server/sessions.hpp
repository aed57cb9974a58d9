// The session table: what the core remembers of each client. Everything that a client owns here is
// owned by its session, and given back when that ends.
//
// Thread safety: none; part of the core.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include <steward/core/clock.hpp>
#include <steward/core/ids.hpp>
#include <steward/core/token.hpp>
#include <steward/core/wire.hpp>
#include <steward/manager/server/saved_state.hpp>

namespace steward::detail::server {

// What was answered to a changing call, kept for a retry. Empty bytes: a post that succeeded.
using StoredReply = std::shared_ptr<const std::string>;

// What keeping a reply costs beside its bytes. Counted, or posts, whose stored replies are empty,
// would cost nothing.
inline constexpr std::size_t kStoredReplyCost = 128;

struct Session {
  SessionNumber number{};
  core::SessionId id;
  std::string secret;

  // Calls before this one are complete at the client and will not come again.
  core::Seq first_incomplete = 1;
  std::map<core::Seq, StoredReply> replies;
  std::size_t reply_bytes = 0;  // that these take
  std::size_t* all_reply_bytes = nullptr;  // of all sessions
  std::map<core::Seq, ParkId> parked;
  // Calls whose answer handed something over that the client has not confirmed.
  std::map<core::Seq, core::ObjectId> unconfirmed;

  // The leases that such calls have ended: they wait again where the call is given up.
  struct EndedLease {
    core::Nonce nonce;
    core::ObjectId object{};
    SessionNumber by{};
    core::Time end;
  };
  std::map<core::Seq, EndedLease> claims;

  struct Grant {
    core::ReferencePtr reference;
    std::uint64_t count = 0;  // handles sent to this client and not yet dropped
    // By which it was claimed where one was needed: as long as the client has the object, they are
    // good for it again. Of many the newest.
    std::vector<core::Nonce> spent = {};
    static constexpr std::size_t kSpentMax = 64;
  };
  std::map<core::ObjectId, Grant> grants;
  // Objects that this session owns something in (Context::own), and how often.
  std::map<core::ObjectId, std::uint64_t> owned;

  void spend(core::ObjectId object, const core::Nonce& lease);
  // Whether this client has the object by this lease.
  bool has_by(core::ObjectId object, const core::Nonce& lease) const;
  void store(core::Seq seq, StoredReply reply);
  // The client has this one.
  void forget_reply(core::Seq seq);
  // Forgets stored replies of calls before `first`.
  void prune_replies(core::Seq first);

 private:
  void release(const StoredReply& reply);
};

class Sessions {
 public:
  Session& open(const core::SessionId& id, std::string_view secret);
  Session* find(const core::SessionId& id);
  const Session* find(const core::SessionId& id) const;
  Session* find(SessionNumber number);
  void close(SessionNumber number);

  std::size_t size() const { return by_number_.size(); }
  // How many bytes of replies may be kept for a session, where nobody may have more than `most`:
  // once all together have sixteen times that, each has its share of it.
  std::size_t reply_bytes_for_each(std::size_t most) const;
  // In order of opening.
  const std::map<SessionNumber, Session>& all() const { return by_number_; }
  void save(Saver& out) const;
  void load(Loader& in);

 private:
  Session& add(SessionNumber number, const core::SessionId& id, std::string_view secret);

  std::uint64_t last_number_ = 0;
  std::size_t reply_bytes_ = 0;
  std::map<SessionNumber, Session> by_number_;
  std::unordered_map<core::SessionId, SessionNumber> by_id_;
};

}  // namespace steward::detail::server
