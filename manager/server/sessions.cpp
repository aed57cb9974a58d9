#include <steward/manager/server/sessions.hpp>

namespace steward::detail::server {

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
    out.each(session.grants, [&](const auto& grant) {
      out.number(core::number(grant.first));
      out.number(grant.second.count);
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
    const auto id = core::SessionId::from(in.reader().bytes());
    if (!id || !by_id_.emplace(*id, number).second) Loader::damaged();
    Session& session = by_number_[number];
    session.number = number;
    session.id = *id;
    session.secret = in.reader().bytes();
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
      const core::ObjectId object{in.number()};
      session.grants.emplace(object, Session::Grant{in.reference(object), in.number()});
    });
    in.each([&] {
      const core::ObjectId object{in.number()};
      session.owned.emplace(object, in.number());
    });
  });
}

}  // namespace steward::detail::server
