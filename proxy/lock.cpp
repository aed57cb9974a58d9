#include <steward/proxy/lock.hpp>

namespace steward::proxy {
namespace {

// Every grant is the server's, those of an RLock's nested locks too: it counts them, so that there
// is one truth whatever policy a lock and its unlock came by. The depth here only says how many
// unlocks are certainly ours.
void note(const Reply& reply, std::string_view grant) {
  const auto [token, died] = PairOf<As<std::uint64_t>, As<bool>>::read(grant);
  const client::Session::Hold before = reply.session.hold(reply.object);
  reply.session.note_hold(reply.object, {token, died, before.depth + 1});
}

}  // namespace

void Locked::operator()(const Reply& reply) const { note(reply, reply.result); }

bool LockedInTime::operator()(const Reply& reply) const {
  if (!reply.done) return false;
  note(reply, reply.result);
  return true;
}

bool LockedIfFree::operator()(const Reply& reply) const {
  detail::Elements grants(reply.result);
  if (grants.left() == 0) return false;
  note(reply, grants.next());
  return true;
}

}  // namespace steward::proxy
