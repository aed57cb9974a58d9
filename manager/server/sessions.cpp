#include <steward/manager/server/sessions.hpp>

#include <algorithm>

namespace steward::detail::server {

void Session::spend(core::ObjectId object, const core::Nonce& lease) {
  std::vector<core::Nonce>& spent = grants[object].spent;
  if (std::ranges::find(spent, lease) != spent.end()) return;
  if (spent.size() == Grant::kSpentMax) spent.erase(spent.begin());
  spent.push_back(lease);
}

bool Session::has_by(core::ObjectId object, const core::Nonce& lease) const {
  const auto grant = grants.find(object);
  return grant != grants.end() &&
         std::ranges::find(grant->second.spent, lease) != grant->second.spent.end();
}

void Session::store(core::Seq seq, StoredReply reply) {
  reply_bytes += reply->size() + kStoredReplyCost;
  replies.insert_or_assign(seq, std::move(reply));
}

void Session::forget_reply(core::Seq seq) {
  const auto reply = replies.find(seq);
  if (reply == replies.end()) return;
  reply_bytes -= reply->second->size() + kStoredReplyCost;
  replies.erase(reply);
}

void Session::prune_replies(core::Seq first) {
  const auto end = replies.lower_bound(first);
  for (auto reply = replies.begin(); reply != end; ++reply) {
    reply_bytes -= reply->second->size() + kStoredReplyCost;
  }
  replies.erase(replies.begin(), end);
}

Session& Sessions::open(const core::SessionId& id, std::string_view secret) {
  const SessionNumber number{++last_number_};
  Session& session = by_number_[number];
  session.number = number;
  session.id = id;
  session.secret = secret;
  by_id_.emplace(id, number);
  return session;
}

Session* Sessions::find(const core::SessionId& id) {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : find(found->second);
}

const Session* Sessions::find(const core::SessionId& id) const {
  return const_cast<Sessions*>(this)->find(id);
}

Session* Sessions::find(SessionNumber number) {
  const auto found = by_number_.find(number);
  return found == by_number_.end() ? nullptr : &found->second;
}

void Sessions::close(SessionNumber number) {
  by_id_.erase(by_number_.at(number).id);
  by_number_.erase(number);
}

void Sessions::save(Saver& out) const {
  out.number(last_number_);
  out.writer().array(by_number_.size());
  for (const auto& [number, session] : by_number_) {
    out.number(static_cast<std::uint64_t>(number));
    out.writer().bytes(session.id.view());
    out.writer().bytes(session.secret);
    out.number(session.first_incomplete);
    out.writer().map(session.replies.size());
    for (const auto& [seq, reply] : session.replies) {
      out.number(seq);
      out.writer().bytes(*reply);
    }
    out.writer().map(session.parked.size());
    for (const auto& [seq, parked] : session.parked) {
      out.number(seq);
      out.number(static_cast<std::uint64_t>(parked));
    }
    out.writer().map(session.unconfirmed.size());
    for (const auto& [seq, object] : session.unconfirmed) {
      out.number(seq);
      out.number(core::number(object));
    }
    out.writer().map(session.claims.size());
    for (const auto& [seq, lease] : session.claims) {
      out.number(seq);
      out.writer().bytes(lease.nonce.view());
      out.number(core::number(lease.object));
      out.number(static_cast<std::uint64_t>(lease.by));
      out.writer().integer(lease.end.time_since_epoch().count());
    }
    out.writer().map(session.grants.size());
    for (const auto& [object, grant] : session.grants) {
      out.number(core::number(object));
      out.number(grant.count);
      out.writer().array(grant.spent.size());
      for (const core::Nonce& nonce : grant.spent) out.writer().bytes(nonce.view());
    }
    out.writer().map(session.owned.size());
    for (const auto& [object, count] : session.owned) {
      out.number(core::number(object));
      out.number(count);
    }
  }
}

}  // namespace steward::detail::server
