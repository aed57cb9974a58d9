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
  *all_reply_bytes += reply->size() + kStoredReplyCost;
  replies.insert_or_assign(seq, std::move(reply));
}

void Session::release(const StoredReply& reply) {
  reply_bytes -= reply->size() + kStoredReplyCost;
  *all_reply_bytes -= reply->size() + kStoredReplyCost;
}

void Session::forget_reply(core::Seq seq) {
  const auto reply = replies.find(seq);
  if (reply == replies.end()) return;
  release(reply->second);
  replies.erase(reply);
}

void Session::prune_replies(core::Seq first) {
  const auto end = replies.lower_bound(first);
  for (auto reply = replies.begin(); reply != end; ++reply) release(reply->second);
  replies.erase(replies.begin(), end);
}

Session& Sessions::open(const core::SessionId& id, std::string_view secret) {
  return add(SessionNumber{++last_number_}, id, secret);
}

Session& Sessions::add(SessionNumber number, const core::SessionId& id, std::string_view secret) {
  Session& session = by_number_[number];
  session.number = number;
  session.id = id;
  session.secret = secret;
  session.all_reply_bytes = &reply_bytes_;
  by_id_.emplace(id, number);
  return session;
}

std::size_t Sessions::reply_bytes_for_each(std::size_t most) const {
  constexpr std::size_t kStores = 16;
  if (reply_bytes_ / kStores < most || by_number_.empty()) return most;
  return std::min(most, kStores * most / by_number_.size());
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
  const Session& session = by_number_.at(number);
  reply_bytes_ -= session.reply_bytes;
  by_id_.erase(session.id);
  by_number_.erase(number);
}

void Sessions::save(Saver& out) const {
  out.number(last_number_);
  out.each(by_number_, [&](const auto& entry) {
    const Session& session = entry.second;
    out.number(static_cast<std::uint64_t>(entry.first));
    out.writer().bytes(session.id.view());
    out.writer().bytes(session.secret);
    out.number(session.first_incomplete);
    out.each(session.replies, [&](const auto& reply) {
      out.number(reply.first);
      out.writer().bytes(*reply.second);
    });
    out.each(session.parked, [&](const auto& parked) {
      out.number(parked.first);
      out.number(static_cast<std::uint64_t>(parked.second));
    });
    out.each(session.unconfirmed, [&](const auto& call) {
      out.number(call.first);
      out.number(core::number(call.second));
    });
    out.each(session.claims, [&](const auto& claim) {
      const Session::EndedLease& lease = claim.second;
      out.number(claim.first);
      out.writer().bytes(lease.nonce.view());
      out.number(core::number(lease.object));
      out.number(static_cast<std::uint64_t>(lease.by));
      out.time(lease.end);
    });
    out.each(session.grants, [&](const auto& grant) {
      out.number(core::number(grant.first));
      out.number(grant.second.count);
      out.each(grant.second.spent,
               [&](const core::Nonce& nonce) { out.writer().bytes(nonce.view()); });
    });
    out.each(session.owned, [&](const auto& owned) {
      out.number(core::number(owned.first));
      out.number(owned.second);
    });
  });
}

void Sessions::load(Loader& in) {
  last_number_ = in.number();
  in.each([&] {
    const SessionNumber number{in.number()};
    const auto id = in.id<core::SessionId>();
    if (by_id_.contains(id) || by_number_.contains(number)) Loader::damaged();
    Session& session = add(number, id, in.reader().bytes());
    session.first_incomplete = in.number();
    in.each([&] {
      const core::Seq seq = in.number();
      session.store(seq, std::make_shared<const std::string>(in.reader().bytes()));
    });
    in.each([&] {
      const core::Seq seq = in.number();
      session.parked.emplace(seq, ParkId{in.number()});
    });
    in.each([&] {
      const core::Seq seq = in.number();
      session.unconfirmed.emplace(seq, core::ObjectId{in.number()});
    });
    in.each([&] {
      const core::Seq seq = in.number();
      const core::Nonce nonce = in.id<core::Nonce>();
      const core::ObjectId object{in.number()};
      const SessionNumber by{in.number()};
      session.claims.emplace(seq, Session::EndedLease{nonce, object, by, in.time()});
    });
    in.each([&] {
      const core::ObjectId object{in.number()};
      Session::Grant& grant = session.grants[object];
      grant.reference = in.reference(object);
      grant.count = in.number();
      in.each([&] { grant.spent.push_back(in.id<core::Nonce>()); });
    });
    in.each([&] {
      const core::ObjectId object{in.number()};
      session.owned.emplace(object, in.number());
    });
  });
}

}  // namespace steward::detail::server
